package goroutine

import "github.com/mayfly-profiler/mayfly/profiler/sample"

// DefaultMaxOverhead is the share of one core that the sampling thread may use when nobody says.
const DefaultMaxOverhead = 0.1

// Threads tells what a thread of the target is doing right now.
type Threads interface {
	// State returns sample.Running when the thread is on a CPU, Preempted or Throttled when it
	// wants one, Stopped when it may not run, and Syscall when it sleeps in the kernel, with the name of
	// the system call if it sleeps in one; ok is false for an unknown thread. It is
	// called at every tick for every thread that runs a goroutine: it must not make system calls.
	State(tid uint32) (state sample.State, call string, ok bool)
	// At is State for a goroutine that did not have the thread at the last tick: what the thread did
	// before it, sleeping and waking above all, is not what the goroutine does. It is asked for the
	// moment of the scan.
	At(tid uint32, s Scan) (state sample.State, call string, ok bool)
}

// Scan is when a goroutine was found to have a thread; times are CLOCK_MONOTONIC in ns.
type Scan struct {
	Began    int64 // when the tick did: who lost its CPU to the one who asks lost it then
	From, To int64 // the goroutine was read between these two
	Call     bool  // it was in a system call
}

// Options say how to sample. The zero value works.
type Options struct {
	Rate        int     // ticks per second; 0 is source.DefaultRate
	MaxOverhead float64 // share of one core that the sampling thread may use; 0 is DefaultMaxOverhead
	Full        bool    // read all goroutines at every tick, also those that have long been quiet
	Split       bool    // one sample per interval in a state, for timelines; otherwise equal intervals are merged
	Threads     Threads // nil: a running goroutine counts as on a CPU, one in a system call as off
	// Asleep says whether all threads of the target sleep; since stays the same for as long as they do. nil: nobody knows. What was
	// read meanwhile is not read again. It is called at every tick.
	Asleep func() (since uint64, ok bool)
	Seed   uint64 // of the jitter of ticks; 0 takes one from the clock

	// SPDelta is the stack depth at a run-time address of Go code, by pclntab
	// (symbolize.Binary.SPDelta); it is called from the sampling thread. Without it the stacks of
	// preempted goroutines may lack the caller of the innermost function, and before Go 1.23
	// goroutines in system calls have no stack: the runtime did not save their frame pointer.
	SPDelta func(pc uint64) (delta int32, ok bool)
}

// backOff is for how many ticks quiet chunks are left alone while the budget allows to read more often. An interval
// that began meanwhile has its length right on average, but a timeline is for single ones.
func (o Options) backOff() uint32 {
	if o.Split {
		return maxPeriodSplit
	}
	return maxPeriod
}

const (
	maxPeriod      = 32 // ticks between two readings of a quiet chunk,
	maxPeriodSplit = 4  // the same in a timeline
)
