package timeline

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// Kind is what time is spent on, or what a cause is.
type Kind uint8

// The kinds, in the order in which they are printed. Children is a state only: the time that a
// request waits for goroutines of its own, whose time is looked into instead.
const (
	CPU Kind = iota
	GC
	Lock
	Channel
	Pool
	Network
	Syscall
	GoScheduler // runnable: waits for a P
	OSScheduler // preempted or throttled: its thread waits for a CPU
	Sleep
	Stopped // the process is: a signal, a tracer, the freezer
	Children
	Unknown
)

var kindNames = [...]string{
	"cpu", "gc", "lock", "channel", "pool", "network", "syscall", "go-scheduler", "os-scheduler", "sleep", "stopped", "children", "unknown",
}

// Kinds is how many kinds there are.
const Kinds = len(kindNames)

func (k Kind) String() string { return kindNames[k] }

// MarshalText makes a kind its name in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(kindNames[k]), nil }

// waits maps the runtime's wait reasons whose name is enough. The others depend on the stack.
var waits = map[string]Kind{
	"running": CPU, "runnable": GoScheduler, "preempted": OSScheduler, "throttled": OSScheduler,
	"syscall": Syscall, "IO wait": Network, "sleep": Sleep, "stopped": Stopped, "unknown": Unknown,
	"sync.Mutex.Lock": Lock, "sync.RWMutex.RLock": Lock, "sync.RWMutex.Lock": Lock,
	"sync.WaitGroup.Wait": Children, "sync.Cond.Wait": Channel, "coroutine": Channel, "leaked": Channel,
	"chan receive": Channel, "chan send": Channel, "select": Channel,
	"chan receive (nil chan)": Channel, "chan send (nil chan)": Channel, "select (no cases)": Channel,
	"GC assist marking": GC, "GC assist wait": GC, "GC sweep wait": GC, "garbage collection": GC, "wait for GC cycle": GC,
	"garbage collection scan": GC, "stopping the world": GC, "waiting for gc": GC, "GC weak to strong wait": GC,
}

// KindOf is what a goroutine in a state, with a stack, spends its time on. Three things look like
// waiting on a channel and are not: a connection pool, a round trip over HTTP, whose reply another
// goroutine reads, and own goroutines.
func (t *Timeline) KindOf(state string, stack int32) Kind {
	k, ok := waits[state]
	if !ok && state != "semacquire" {
		return Unknown
	}
	s := &t.Stacks[stack]
	switch {
	case state == "semacquire":
		return t.semaphore(s)
	case k == CPU && t.Has(s, names.Collector):
		return GC
	case k == Channel && t.Has(s, acquirers):
		return Pool
	case k == Channel && t.Has(s, roundTrips):
		return Network
	case k == Network && t.Has(s, names.Files) && !t.Has(s, names.Sockets):
		return Syscall
	}
	return k
}

// semaphore is for runtimes before 1.20, which call all of sync's waits the same.
func (t *Timeline) semaphore(s *Stack) Kind {
	switch {
	case t.Has(s, names.Children):
		return Children
	case t.Has(s, names.StopsWorld):
		return GC
	}
	return Lock
}

// Functions that tell what a wait is for: the standard library's, and those of well-known modules.
var (
	acquirers = slices.Concat(names.Acquires, []string{"github.com/jackc/puddle/v2.(*Pool).", "github.com/jackc/puddle.(*Pool).",
		"github.com/gomodule/redigo/redis.(*Pool).", "github.com/redis/go-redis/v9/internal/pool.(*ConnPool).",
		"go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*pool).", "golang.org/x/sync/semaphore.(*Weighted).Acquire"})
	roundTrips = slices.Concat(names.RoundTrips, []string{"golang.org/x/net/http2.(*ClientConn).",
		"google.golang.org/grpc/internal/transport.(*recvBufferReader).", "google.golang.org/grpc.(*clientStream).RecvMsg"})
)

// Acquires says whether a function asks a pool for one of its connections.
func (t *Timeline) Acquires(fn int32) bool { return names.Match(t.Funcs[fn].Name, acquirers) }
