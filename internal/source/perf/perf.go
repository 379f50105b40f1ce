// Package perf samples what a process of one's own does on its CPUs, with perf events alone: no
// eBPF, no capability. It is what the kernel lets every user do as long as
// kernel.perf_event_paranoid is 2 or less.
//
// A perf event of type cpu-clock on each thread and CPU fires once in a period of the thread's CPU
// time. The kernel walks the user stack by frame pointers and sends it with a few registers and the
// words at the stack pointer. Nobody can look at the goroutine at that moment. But in Go code a
// register holds the g that runs (R14 on amd64, R28 on arm64), so the reader, which is woken by each
// sample, reads that g from the target's memory at once (g.go).
//
// Two things are worse than with eBPF. At paranoid 2 the kernel keeps quiet about itself: samples
// are taken in user mode only, and the rest of the process's CPU time is one sample, [kernel],
// without a stack or labels. And the kernel stops and starts the timers at each switch of threads, which
// costs a target that switches often more than the samples do (BENCHMARKS.md).
package perf

import (
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Options say how to sample. The zero value samples at source.DefaultRate without goroutines and labels.
type Options struct {
	// Rate is the number of samples per second of CPU time. 0 is source.DefaultRate.
	Rate int
	// Layout is the layout of the target's runtime. Without it samples carry neither goroutine id
	// nor labels.
	Layout *goruntime.Layout
	// OnExec starts sampling when the target calls execve, for a command that mayfly starts.
	OnExec bool
	// UserOnly leaves kernel mode out even where it is allowed.
	UserOnly bool
	// Cheap saves CPU time where there are enough Ps: beside a saturated etcd 4 % of a core, for 3 % of the labels.
	Cheap bool
}

// Stats say how the sampling went.
type Stats struct {
	Samples  int64         // delivered
	Lost     int64         // taken, but there was no room in the ring buffer
	Counted  time.Duration // samples times period, and the time in the kernel if that is not sampled
	Rusage   time.Duration // CPU time of the process by its own clock, over the same window
	CPUs     int           // that have events
	Late     int64         // samples whose goroutine was read so late that nothing is said of it
	NoG      int64         // samples of code that runs no goroutine, or does not say which: C
	UserOnly bool          // time in the kernel is not sampled
}

func (st *Stats) add(b *batch) {
	st.Samples += int64(len(b.samples))
	st.Lost += b.lost
	st.Late += b.late
	st.NoG += b.noG
}

// Procs is the number of Ps to go with: the runtime's own, or where this engine is all there is twice as many. Each of
// its readers, one a CPU, sleeps in a system call and has to run the moment that it is woken, while what was sampled stands
// still. For that it needs a P at once, and others have as many as there are CPUs.
func Procs(r proc.Rights, own int) int {
	if r.CapSysAdmin || r.CapBPF && r.CapPerfmon {
		return own
	}
	return 2 * own
}
