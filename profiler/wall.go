package profiler

import (
	"errors"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// A wall recording has two sources: the on-CPU source, whose samples are the column cpu, and the
// goroutine table, which has all the other states. Which of a goroutine's states the OS is to blame
// for (its thread waits for a CPU, or sleeps in the kernel) the scheduler's tracepoints tell the
// table. Each of the three can be missing; what is left is recorded, and the rest is said.

// prepareTable reads what the executable says of the goroutine table, and opens the scheduler's view of
// the threads.
func (r *recording) prepareTable(l *goruntime.Layout) error {
	var err error
	// The sampling thread looks up stack depths and must not wait while the builder reads symbols:
	// it has tables of its own.
	if r.own, err = symbolize.OpenGo(r.exe); err != nil {
		return err
	}
	if r.vars, err = r.shared.findVars(r.exe, l, r.own); err != nil {
		return err
	}
	if r.sched, err = bpf.OpenSched(r.target, r.options.Host.events()); err != nil {
		r.deny("preempted and throttled goroutines: " + err.Error())
	}
	return nil
}

// attachTable opens the goroutine table of a program that runs.
func (r *recording) attachTable(l *goruntime.Layout) error {
	bin, bias := r.golang()
	if bin == nil {
		return errors.New("the table of functions in its executable cannot be read")
	}
	o := goroutine.Options{Rate: r.options.Scans, MaxOverhead: r.options.MaxOverhead, Split: r.options.Keep.Timeline}
	o.SPDelta = func(pc uint64) (int32, bool) { return r.own.SPDelta(pc - bias) }
	var err error
	if r.sched != nil {
		o.Threads, o.Asleep = goroutine.NewThreads(r.sched, r.target), r.sched.Asleep
	}
	r.table, err = goroutine.Open(r.target, l, r.vars.Add(bias), o)
	return err
}
