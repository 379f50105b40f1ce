package bpf

import (
	"fmt"
	"math"
	"os"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// MaxSwitches is how many goroutines a second threads may go on with, about, while their CPU time is counted. Each is two traps
// into the kernel: this keeps their cost to the target bounded.
const MaxSwitches = 50_000

// ErrSwitches says that goroutines were switched more often than that, and that the probes were taken away.
var ErrSwitches = fmt.Errorf("more than %d switches of goroutines a second: the probes were taken away", MaxSwitches)

// ExactOptions are what Exact has to know of its target.
type ExactOptions struct {
	Layout   *goruntime.Layout
	SweepGen uint64 // the run-time address of runtime.mheap_.sweepgen
	File     *os.File
	Switches goruntime.Switches // in File
}

// CPUTime is how long goroutines with one label set had a CPU, or the threads that worked for none.
type CPUTime struct {
	Who    Counted
	Labels []sample.Label
	Time   time.Duration
	Stints int64         // how often a thread went on with such a goroutine
	Edges  int64         // how often the time begins or ends with a probe: of each half of what a trap takes has been taken off
	Error  time.Duration // how far Time may be off: see ExactStats.errorOf
}

// Counted is what CPU time is counted for.
type Counted uint8

const (
	Goroutine Counted = iota
	NoGoroutine
	UnknownLabels    // of a goroutine whose labels could not be read
	UnknownGoroutine // of threads about which nothing was known yet
	Probes           // what the probes themselves took of the target's time
)

// ExactStats say how the counting went.
type ExactStats struct {
	Hits     int64         // of probes
	Trap     time.Duration // what one took, beside its program
	Checks   int64         // what was known of a thread was held against the target's memory
	Wrong    int64         // and was something else
	Unplaced time.Duration // of goroutines and label sets that there was no room for
	Partial  int64         // label sets of which a part only could be read
	Added    time.Duration // by the scheduler's count of the time of threads, beyond the clock's
	Moved    float64       // the squares of what threads had less of a CPU than their stints were long, ns²
}

// since is what was counted since an earlier reading.
func (s ExactStats) since(before ExactStats) ExactStats {
	s.Hits -= before.Hits
	s.Checks -= before.Checks
	s.Wrong -= before.Wrong
	s.Unplaced -= before.Unplaced
	s.Partial -= before.Partial
	s.Added -= before.Added
	s.Moved -= before.Moved
	return s
}

// errorOf is how far the time of a part of all that was counted may be off.
//
// What was taken off for traps is what one takes where two follow each other. Far from another it takes longer, up to twice as
// long with what the target's next steps take more. At so many of the ticks as the target's memory said something else, the labels
// were others. What the scheduler counted beyond the clock may be anybody's. Interrupts and stolen time go off a stint that was
// drawn: that they go off one label in truth and off another one by the draw has a variance of 2p(1-p) times their squares.
func (s *ExactStats) errorOf(x *CPUTime, all time.Duration) time.Duration {
	cpu, total := float64(x.Time.Abs()), float64(max(all, 1))
	p := min(1, cpu/total)
	traps := float64(x.Edges) * float64(s.Trap) / 2
	wrong := min(1, float64(s.Wrong+1)/float64(s.Checks+1)) * cpu
	return time.Duration(traps + wrong + p*float64(s.Added) + 2*math.Sqrt(2*p*(1-p)*s.Moved))
}
