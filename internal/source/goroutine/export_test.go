package goroutine

import (
	"context"
	"time"
)

// Step runs one tick on the calling thread, and forgets what it found.
func (t *Table) Step() error {
	err := t.scan.tick(mode{})
	t.scan.track.out = t.scan.track.out[:0]
	return err
}

// ThreadCPU is the CPU time of the calling thread.
func ThreadCPU() time.Duration { return threadCPU() }

// Put is how often a goroutine was put off so far, and a number above that while some were not even
// read.
func (t *Table) Put() int64 { return t.scan.stacks.put + int64(t.scan.mem.cold) }

// Now is the clock that samples are timed by.
func (t *Table) Now() int64 { return t.scan.clock.now() }

// SleepUntil sleeps as the ticks do.
func (t *Table) SleepUntil(at int64) { t.scan.clock.sleepUntil(context.Background(), at) }

// WithoutWaits has a timeline without what is waited for, as it costs in other recordings.
func (t *Table) WithoutWaits() { t.scan.stacks.waiting = newWaitFinder(t.scan.state, 0) }
