// Package source is what the sources of samples have in common: rates, the end by execve, and how a source hands over what it
// has. Each source stands in a folder below and knows none of the others.
package source

import (
	"errors"
	"fmt"
	"sync"
)

const (
	// DefaultRate is how often a source samples, in Hz: not a round number, against lock-step with work that timers start.
	DefaultRate = 999
	// MaxRate is the highest rate in Hz that is accepted. The kernel refuses more than kernel.perf_event_max_sample_rate where it
	// samples by interrupts.
	MaxRate = 20000
)

// FewScans is how many scans of a goroutine table per second, Hz, are so few that no thread is kept ready for them.
const FewScans = 50

// Rate returns the rate that was asked for, DefaultRate for 0. The error says that it is none.
func Rate(hz int) (int, error) {
	if hz == 0 {
		return DefaultRate, nil
	}
	return hz, CheckRate(hz)
}

// CheckRate says what is wrong with a rate.
func CheckRate(hz int) error {
	if hz < 1 || hz > MaxRate {
		return fmt.Errorf("rate %d Hz: not between 1 and %d", hz, MaxRate)
	}
	return nil
}

// ErrExec says that the target has executed another program: what was sampled before is sound, sampling has ended.
var ErrExec = errors.New("the target executed another program")

// Executed is ErrExec of a process.
func Executed(pid int) error { return fmt.Errorf("process %d: %w", pid, ErrExec) }

// Flushes are how one goroutine asks the one that samples to hand over all that it has.
type Flushes struct {
	asked chan chan struct{}
	over  chan struct{} // closed when nobody samples any more
	once  sync.Once
}

// NewFlushes is for a source that is about to sample.
func NewFlushes() *Flushes {
	return &Flushes{asked: make(chan chan struct{}, 1), over: make(chan struct{})}
}

// Flush returns when all that was seen before the call has been handed over, or when sampling has ended. wake, if not nil, is called
// once it has been asked for. It is for another goroutine than the one that samples, one at a time.
func (f *Flushes) Flush(wake func()) {
	done := make(chan struct{})
	select {
	case f.asked <- done:
	case <-f.over:
		return
	}
	if wake != nil {
		wake()
	}
	select {
	case <-done:
	case <-f.over:
	}
}

// Asked is what to close when all has been handed over, as soon as somebody asks.
func (f *Flushes) Asked() <-chan chan struct{} { return f.asked }

// Take is the same at once: nil if nobody asks.
func (f *Flushes) Take() chan struct{} {
	select {
	case done := <-f.asked:
		return done
	default:
		return nil
	}
}

// Waiting says whether somebody asks.
func (f *Flushes) Waiting() bool { return len(f.asked) > 0 }

// End lets everybody go who waits, or will. It may be called again.
func (f *Flushes) End() { f.once.Do(func() { close(f.over) }) }
