package timeline

import (
	"github.com/mayfly-profiler/mayfly/internal/frameworks"
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
	Pool  // for one of a limited number of connections
	Limit // for one of a limited number of places: a semaphore
	Network
	Syscall
	GoScheduler // runnable: waits for a P
	OSScheduler // preempted: its thread waits for a CPU that other processes have
	Quota       // throttled: the CPU time that its control group may use is used up
	Timer       // for time to pass: sleep, a rate limit, a back-off, a ticker
	Stopped     // the process is: a signal, a tracer, the freezer
	Children
	Unknown
)

var kindNames = [...]string{
	"cpu", "gc", "lock", "channel", "pool", "limit", "network", "syscall", "go-scheduler", "os-scheduler",
	"quota", "timer", "stopped", "children", "unknown",
}

// Kinds is how many kinds there are.
const Kinds = len(kindNames)

func (k Kind) String() string { return kindNames[k] }

// Denied says whether a thread wants a CPU and gets none.
func (k Kind) Denied() bool { return k == OSScheduler || k == Quota }

// MarshalText makes a kind its name in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(kindNames[k]), nil }

// waits maps the runtime's wait reasons whose name is enough. The others depend on the stack.
var waits = map[string]Kind{
	"running": CPU, "runnable": GoScheduler, "preempted": OSScheduler, "throttled": Quota,
	"syscall": Syscall, "IO wait": Network, "sleep": Timer, "stopped": Stopped, "unknown": Unknown,
	"sync.Mutex.Lock": Lock, "sync.RWMutex.RLock": Lock, "sync.RWMutex.Lock": Lock,
	"sync.WaitGroup.Wait": Children, "sync.Cond.Wait": Channel, "coroutine": Channel, "leaked": Channel,
	"chan receive": Channel, "chan send": Channel, "select": Channel,
	"chan receive (nil chan)": Channel, "chan send (nil chan)": Channel, "select (no cases)": Channel,
	"GC assist marking": GC, "GC assist wait": GC, "GC sweep wait": GC, "garbage collection": GC, "wait for GC cycle": GC,
	"garbage collection scan": GC, "stopping the world": GC, "waiting for gc": GC, "GC weak to strong wait": GC,
}

// meanings say what the kinds are, to those who do not know the runtime's words.
var meanings = [...]string{
	CPU: "runs on a CPU", GC: "helps the garbage collector, or is held by it", Lock: "waits for a sync.Mutex or RWMutex",
	Channel: "waits on a channel or a sync.Cond", Pool: "waits until the pool has a free connection",
	Limit: "waits for a place of a semaphore", Network: "waits for an answer, or for a client", Syscall: "blocked in a system call",
	GoScheduler: "could run, but waits for its turn among the goroutines (no free P)",
	OSScheduler: "could run, but other processes have the CPU",
	Quota:       "could run, but the CPU quota of its control group is used up", Timer: "time.Sleep, or a timer",
	Stopped:  "the process is stopped: by a signal, a debugger, the freezer of its cgroup",
	Children: "waits in sync.WaitGroup for goroutines that it started", Unknown: "not known",
}

// Meaning says what a kind is, to those who do not know the runtime's words.
func (k Kind) Meaning() string { return meanings[k] }

// KindOfState is what time in a state is spent on as far as the state alone tells.
func KindOfState(state string) Kind {
	if k, ok := waits[state]; ok {
		return k
	}
	if state == "semacquire" {
		return Lock // or a sync.WaitGroup, before Go 1.20
	}
	return Unknown
}

// kindsOf is what those wait for who wait in a function of a framework.
var kindsOf = map[frameworks.Role]Kind{
	frameworks.Pool: Pool, frameworks.Limit: Limit, frameworks.Rate: Timer, frameworks.Retry: Timer, frameworks.Batch: Timer,
	frameworks.Replies: Network, frameworks.Flow: Network, frameworks.Resolves: Network, frameworks.Dials: Network,
	frameworks.Handshakes: Network,
}

// KindOf is what a goroutine in a state, with a stack, spends its time on. Many things look like waiting
// on a channel and are not: a connection pool, a semaphore, a round trip over HTTP, whose reply another
// goroutine reads, a rate limit.
func (t *Timeline) KindOf(state string, stack int32) Kind {
	k, ok := waits[state]
	if !ok && state != "semacquire" {
		return Unknown
	}
	s := &t.Stacks[stack]
	if state == "semacquire" {
		k = t.semaphore(s)
	}
	switch {
	case k == CPU && t.Has(s, names.Collector):
		return GC
	case k == CPU && t.Has(s, names.Files) && t.Has(s, names.SystemCalls) && !t.Has(s, names.Sockets):
		return Syscall // the kernel's work for a file
	case k == Network && t.Has(s, names.Files) && !t.Has(s, names.Sockets):
		return Syscall
	case k == Channel:
		if of, ok := kindsOf[s.For.Role]; ok {
			return of
		}
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
