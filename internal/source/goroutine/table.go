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
// but the stack: state and labels are kept.
//
// A sample stands for the time since its goroutine was read before, as the clock says, not
// for a nominal period. What a goroutine did between two ticks that found different things is
// unknown: the border is drawn in the middle (tracker.go).
package goroutine

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
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
		err = t.scan.mem.check()
		if err == nil || !errors.Is(err, errYoung) || time.Now().After(end) {
			return err
		}
	}
}

// Flush returns when all that was seen before the call has been emitted, or when Run has returned.
// It is for another goroutine than the one in Run, one at a time.
func (t *Table) Flush() { t.flushes.Flush(nil) }

// Limit changes Options.MaxOverhead, also while Run is running.
func (t *Table) Limit(share float64) {
	t.limit.Store(math.Float64bits(min(max(share, minLimit), 1)))
}

// minLimit keeps a table that somebody limits to nothing alive.
const minLimit = 0.001

func (t *Table) limited() float64 { return math.Float64frombits(t.limit.Load()) }

// Stats says how the sampling went; while Run is running, how it went up to some ten milliseconds
// ago.
func (t *Table) Stats() Stats { return *t.stats.Load() }

// ending turns the end of the table into an error, or none when the target simply ended. The kernel
// may say that there is no such process, for a moment, when another program is executed.
func (t *Table) ending(err error) error {
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, errGone) && !errors.Is(err, proc.ErrNoProcess):
		return fmt.Errorf("goroutine table of process %d: %w", t.process.PID(), err)
	}
	if ended(t.process.Exited(), t.process.HasProgram) {
		return nil
	}
	return source.Executed(t.process.PID())
}

// longestExit is how long a process may take to end after it has lost its memory.
const longestExit = 10 * time.Second

// ended says whether a process whose memory is gone has exited, and not executed another program. One that exits loses its
// memory first, and without a CPU the rest can take long; one that executed another program has one again.
func ended(exited <-chan struct{}, hasProgram func() bool) bool {
	for limit := time.Now().Add(longestExit); time.Now().Before(limit); {
		select {
		case <-exited:
			return true
		case <-time.After(100 * time.Millisecond):
		}
		if hasProgram() {
			return false
		}
	}
	return false
}
