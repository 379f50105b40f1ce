package timeline

import (
	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// The states that are not the runtime's.
var (
	readable = State{Name: "readable"} // a connection's goroutine whose socket has something to read, while the runtime has not looked
	unsent   = State{Name: "unsent"}   // a call whose answer the connection's sender has still to write
)

// waits maps the runtime's wait reasons whose name is enough. The others depend on the stack.
var waits = map[string]Kind{
	"running": CPU, "runnable": GoScheduler, readable.Name: GoScheduler, unsent.Name: Channel, "preempted": OSScheduler, "throttled": Quota,
	"syscall": Syscall, "IO wait": Network, "sleep": Timer, "stopped": Stopped, "unknown": Unknown,
	"sync.Mutex.Lock": Lock, "sync.RWMutex.RLock": Lock, "sync.RWMutex.Lock": Lock,
	"sync.WaitGroup.Wait": Children, "sync.Cond.Wait": Channel, "coroutine": Channel, "leaked": Channel,
	"chan receive": Channel, "chan send": Channel, "select": Channel,
	"chan receive (nil chan)": Channel, "chan send (nil chan)": Channel, "select (no cases)": Channel,
	"GC assist marking": GC, "GC assist wait": GC, "GC sweep wait": GC, "garbage collection": GC, "wait for GC cycle": GC,
	"garbage collection scan": GC, "stopping the world": GC, "waiting for gc": GC, "GC weak to strong wait": GC,
}

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
	case k == CPU && (t.Has(s, names.Files) && t.Has(s, names.SystemCalls) && !t.Has(s, names.Sockets) || t.Has(s, names.FileFaults)):
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
