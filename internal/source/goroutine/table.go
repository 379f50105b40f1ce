// Package goroutine samples the state of every goroutine of a live Go process from outside, about
// a thousand times a second, without stopping it: no signal, no trace, no stop of the world.
//
// The runtime keeps all goroutines in one array (runtime.allgs) that only grows; a dead g is
// used again. So a tick reads the g structs in large pieces, and finds out by comparing a few words
// which goroutines have not run since the last tick. Those cost nothing more. Of the others the
// stack is read and walked by frame pointers.
//
// All of that memory changes while it is read. The runtime counts in g.trackingSeq how often a
// goroutine stopped running, which makes the g a sequence lock: if (goid, trackingSeq, status, sp,
// pc, stack.lo) are the same after the last byte of the stack was read as they were before, the
// goroutine did not run meanwhile and the stack is true. If not, the stack is dropped, and nothing
// but the stack: state and labels stay.
//
// A sample stands for the time since its goroutine was looked at before, as the clock says, not
// for a nominal period. What a goroutine did between two looks that found different things is
// unknown: the border is drawn in the middle (stay.go).
package goroutine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// DefaultMaxOverhead is the share of one core that the sampling thread may use when nobody says.
const DefaultMaxOverhead = 0.1

// Threads tells what a thread of the target is doing right now.
type Threads interface {
	// State returns sample.Running when the thread is on a CPU, Preempted or Throttled when it
	// wants one, Stopped when it may not run, and Syscall when it sleeps in the kernel, with the name of
	// the system call if it sleeps in one; ok is false for an unknown thread. It is
	// called at every tick for every thread that runs a goroutine: it must not make system calls.
	State(tid uint32) (state sample.State, call string, ok bool)
	// At is State for a goroutine that did not have the thread at the last look: what the thread did
	// before it, sleeping and waking above all, is not what the goroutine does. It is asked for the
	// moment of the look.
	At(tid uint32, l Look) (state sample.State, call string, ok bool)
}

// Look is when a goroutine was found to have a thread; times are CLOCK_MONOTONIC in ns.
type Look struct {
	Began    int64 // when the tick did: who lost its CPU to the one who asks lost it then
	From, To int64 // the goroutine was read between these two
	Call     bool  // it was in a system call
}

// Options say how to sample. The zero value works.
type Options struct {
	Rate        int     // ticks per second; 0 is source.DefaultRate
	MaxOverhead float64 // share of one core that the sampling thread may use; 0 is DefaultMaxOverhead
	Full        bool    // look at all goroutines at every tick, also those that have long been quiet
	Split       bool    // one sample per stay in a state, for timelines; otherwise equal stays are merged
	Threads     Threads // nil: a running goroutine counts as on a CPU, one in a system call as off
	Seed        uint64  // of the jitter of ticks; 0 takes one from the clock

	// SPDelta is the stack depth at a run-time address of Go code, by pclntab
	// (symbolize.Binary.SPDelta); it is called from the sampling thread. Without it the stacks of
	// preempted goroutines may lack the caller of the innermost function, and before Go 1.23
	// goroutines in system calls have no stack: the runtime did not save their frame pointer.
	SPDelta func(pc uint64) (delta int32, ok bool)
}

var (
	// ErrTable says that the target's memory does not look like a goroutine table. Nothing is
	// sampled then: what would be reported could be plausible and wrong.
	ErrTable = errors.New("this does not look like a goroutine table")
)

// Table is the goroutine table of a process, a sample.Source.
type Table struct {
	process *proc.Process
	scan    *scanner
	options Options
	stats   atomic.Pointer[Stats]
	limit   atomic.Uint64 // Options.MaxOverhead, or what Limit made of it, as float64 bits
	flushes *source.Flushes
}

// Open prepares to sample the process. v holds run-time addresses. It reads the table once and
// refuses it with ErrTable unless it looks right; errors of proc.Process.Mem come through, such as
// fs.ErrPermission. A program that was started a moment ago gets two seconds to create its first
// goroutine.
func Open(p *proc.Process, l *goruntime.Layout, v *goruntime.Vars, o Options) (*Table, error) {
	rate, err := source.Rate(o.Rate)
	if err != nil {
		return nil, err
	}
	o.Rate = rate
	if o.MaxOverhead == 0 {
		o.MaxOverhead = DefaultMaxOverhead
	}
	if o.MaxOverhead < 0 || o.MaxOverhead > 1 {
		return nil, fmt.Errorf("overhead %g: not a share of one core between 0 and 1", o.MaxOverhead)
	}
	t := &Table{process: p, options: o, flushes: source.NewFlushes()}
	t.stats.Store(&Stats{})
	t.Limit(o.MaxOverhead)
	if err := t.settle(l, v); err != nil {
		return nil, fmt.Errorf("goroutine table of process %d: %w", p.PID(), err)
	}
	return t, nil
}

// settle waits for the first goroutine and checks the table.
func (t *Table) settle(l *goruntime.Layout, v *goruntime.Vars) error {
	var err error
	if t.scan, err = newScanner(gatherer(t.process.MemKeepingP()), l, v, t.options); err != nil {
		return err
	}
	t.scan.of(t.process)
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
		err = t.scan.check()
		if err == nil || !errors.Is(err, errYoung) || time.Now().After(end) {
			return err
		}
	}
}

// Run samples until ctx ends or the target is gone. It returns source.ErrExec when the target has become
// another program. The samples of Options' zero value are merged: one stands for the whole time
// that its goroutine spent in one place, at most about a second of it. emit is called from the
// calling goroutine, some ten milliseconds after the fact. Run may be called once.
func (t *Table) Run(ctx context.Context, emit func(*sample.Sample)) error {
	defer t.flushes.End()
	r := &recorder{table: t, scan: t.scan, full: make(chan batch, 2), free: make(chan []event, 3)}
	failed := make(chan error, 1)
	go func() { failed <- r.sample(ctx) }()
	var sm sample.Sample
	for b := range r.full {
		for i := range b.events {
			b.events[i].sample(&sm, t.scan)
			emit(&sm)
		}
		if b.flush != nil {
			close(b.flush)
		}
		clear(b.events)
		select {
		case r.free <- b.events[:0]:
		default:
		}
	}
	return <-failed
}

// Stats says how the sampling went; while Run is running, how it went up to some ten milliseconds
// ago.
func (t *Table) Stats() Stats { return *t.stats.Load() }
