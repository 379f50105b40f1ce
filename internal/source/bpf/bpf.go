// Package bpf samples what a Go process does on its CPUs, with eBPF, from outside.
//
// A perf event of type cpu-clock on each CPU fires once in a period, by a high resolution timer and
// not by the scheduler's tick. The program behind it (oncpu.bpf.c) does nothing unless a thread of the
// target runs there, else it sends one record; this package turns records into samples.
//
// A sample's weight is measured: the CPU time that the process has used since the last reading of
// its clock is divided among the samples taken meanwhile, those that got lost included. How many
// samples there are for it is the independent check of that.
package bpf

import (
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// Options say how to sample. The zero value samples at source.DefaultRate without goroutines and labels.
type Options struct {
	// Rate is the number of samples per second of CPU time. 0 is source.DefaultRate.
	Rate int
	// Layout is the layout of the target's runtime. Without it samples carry neither goroutine id
	// nor labels.
	Layout *goruntime.Layout
	// ExecTimes appends for how long each of the target's threads has had CPUs, as Sched.ExecTimes does: the samples of
	// a thread share that thread's time. What all have had more than the process's clock counts was stolen
	// from them. nil: all samples weigh the same.
	ExecTimes func([]ExecTime) []ExecTime
	// Host has the events, of the rate that it has; nil, or one that cannot be had: the target has events of its own.
	Host *Host
	// OnExec starts sampling when the target calls execve, for a command that mayfly starts.
	OnExec bool
	// Event is what samples are taken at, Rate times a second of the time in which it happens, or each time where that is rarer. They
	// weigh no time: Sample.Events is how many of it they stand for. nil: CPU time. Not with a Host.
	Event *Event

	ring uint32 // its bytes, a power of two; 0: what the rate wants
}

// Text is where the target's Go code lies, in run-time addresses. See OnCPU.Know.
type Text struct {
	All         [2]uint64 // all of it
	Sigtramp    [2]uint64 // the function that the kernel calls for a signal
	Cgocallback [2]uint64 // the function by which C calls Go
	Framed      []Framed  // ascending
}

// Framed is a function that may use the frame pointer for data once it has a frame.
type Framed struct {
	From, To uint64
	Delta    uint32 // bytes from the stack pointer to the return address, in most of its code
}

// Stats say how the sampling went.
type Stats struct {
	Samples   int64         // delivered
	Lost      int64         // taken, but there was no room in the ring buffer
	Counted   time.Duration // CPU time by the number of samples: times the period, lost ones included
	Rusage    time.Duration // CPU time of the process by its own clock, over the same window
	Stolen    time.Duration // that threads had a CPU and could not use it, see Options.ExecTimes
	CPUs      int           // that have an event
	Unsampled error         // why a CPU that the target may run on has none; nil if all have
	Completed int64         // label sets that were completed from the target's memory
	Truncated int64         // samples whose label set is not whole
	NoG       int64         // samples of threads without a g: C threads, signal handlers in C
	Doubtful  int64         // samples without goroutine and labels, because what Layout says of their thread contradicts itself

	Events  int64         // of Options.Event, by the samples, lost ones included
	Enabled time.Duration // for how long they were to be counted, on all CPUs,
	Running time.Duration // and for how long they were: CPUs have fewer counters than there may be events
}

// Since is what was counted since an earlier reading.
func (s Stats) Since(before Stats) Stats {
	s.Samples -= before.Samples
	s.Lost -= before.Lost
	s.Counted -= before.Counted
	s.Rusage -= before.Rusage
	s.Stolen -= before.Stolen
	s.Completed -= before.Completed
	s.Truncated -= before.Truncated
	s.NoG -= before.NoG
	s.Doubtful -= before.Doubtful
	s.Events -= before.Events
	s.Enabled -= before.Enabled
	s.Running -= before.Running
	return s
}
