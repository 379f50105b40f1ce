package report

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// Kind is what time is spent on, or what a cause is.
type Kind string

// The kinds, in the order in which they are printed. Children is a state only: the time that a
// request waits for goroutines of its own, whose time is looked into instead.
const (
	CPU         Kind = "cpu"
	GC          Kind = "gc"
	Lock        Kind = "lock"
	Channel     Kind = "channel"
	Pool        Kind = "pool"
	Network     Kind = "network"
	Syscall     Kind = "syscall"
	GoScheduler Kind = "go-scheduler" // runnable: waits for a P
	OSScheduler Kind = "os-scheduler" // preempted or throttled: its thread waits for a CPU
	Sleep       Kind = "sleep"
	Stopped     Kind = "stopped" // the process is: a signal, a tracer, the freezer
	Children    Kind = "children"
	Unknown     Kind = "unknown"
)

// kinds is all of them; a kind's place here is its number in a piece.
var kinds = []Kind{CPU, GC, Lock, Channel, Pool, Network, Syscall, GoScheduler, OSScheduler, Sleep, Stopped, Children, Unknown}

type kind uint8

const (
	cpu kind = iota
	gc
	lock
	channel
	pool
	network
	syscall
	goScheduler
	osScheduler
	sleep
	stopped
	children
	unknown
)

func (k kind) String() string { return string(kinds[k]) }

// waits maps the runtime's wait reasons whose name is enough. The others depend on the stack.
var waits = map[string]kind{
	"running": cpu, "runnable": goScheduler, "preempted": osScheduler, "throttled": osScheduler,
	"syscall": syscall, "IO wait": network, "sleep": sleep, "stopped": stopped, "unknown": unknown,
	"sync.Mutex.Lock": lock, "sync.RWMutex.RLock": lock, "sync.RWMutex.Lock": lock,
	"sync.WaitGroup.Wait": children, "sync.Cond.Wait": channel, "coroutine": channel, "leaked": channel,
	"chan receive": channel, "chan send": channel, "select": channel,
	"chan receive (nil chan)": channel, "chan send (nil chan)": channel, "select (no cases)": channel,
	"GC assist marking": gc, "GC assist wait": gc, "GC sweep wait": gc, "garbage collection": gc, "wait for GC cycle": gc,
	"garbage collection scan": gc, "stopping the world": gc, "waiting for gc": gc, "GC weak to strong wait": gc,
}

// kindOf is what a goroutine in a state, with a stack, spends its time on. Three things look like
// waiting on a channel and are not: a connection pool, a round trip over HTTP, whose reply another
// goroutine reads, and own goroutines.
func (t *timeline) kindOf(state string, stack int32) kind {
	k, ok := waits[state]
	if !ok && state != "semacquire" {
		return unknown
	}
	s := &t.stacks[stack]
	switch {
	case state == "semacquire":
		return t.semaphore(s)
	case k == cpu && t.has(s, names.Collector):
		return gc
	case k == channel && t.has(s, acquirers):
		return pool
	case k == channel && t.has(s, roundTrips):
		return network
	case k == network && t.has(s, names.Files) && !t.has(s, names.Sockets):
		return syscall
	}
	return k
}

// semaphore is for runtimes before 1.20, which call all of sync's waits the same.
func (t *timeline) semaphore(s *stack) kind {
	switch {
	case t.has(s, names.Children):
		return children
	case t.has(s, names.StopsWorld):
		return gc
	}
	return lock
}

// Functions that tell what a wait is for: the standard library's, and those of well-known modules.
var (
	acquirers = slices.Concat(names.Acquires, []string{"github.com/jackc/puddle/v2.(*Pool).", "github.com/jackc/puddle.(*Pool).",
		"github.com/gomodule/redigo/redis.(*Pool).", "github.com/redis/go-redis/v9/internal/pool.(*ConnPool).",
		"go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*pool).", "golang.org/x/sync/semaphore.(*Weighted).Acquire"})
	roundTrips = slices.Concat(names.RoundTrips, []string{"golang.org/x/net/http2.(*ClientConn).",
		"google.golang.org/grpc/internal/transport.(*recvBufferReader).", "google.golang.org/grpc.(*clientStream).RecvMsg"})
)
