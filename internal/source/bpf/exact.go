package bpf

import (
	"fmt"
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
	Stints int64 // how often a thread went on with such a goroutine
	Edges  int64 // how often the time begins or ends with a probe: of each half of what a trap takes has been taken off
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
}

// Since is what was counted since an earlier reading.
func (s ExactStats) Since(before ExactStats) ExactStats {
	s.Hits -= before.Hits
	s.Checks -= before.Checks
	s.Wrong -= before.Wrong
	s.Unplaced -= before.Unplaced
	s.Partial -= before.Partial
	return s
}
