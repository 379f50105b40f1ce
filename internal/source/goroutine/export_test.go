package goroutine

import (
	"context"
	"time"
)

// Step runs one tick on the calling thread, and forgets what it found.
func (t *Table) Step() error {
	err := t.scan.step()
	t.scan.out = t.scan.out[:0]
	return err
}

// ThreadCPU is the CPU time of the calling thread.
func ThreadCPU() time.Duration { return threadCPU() }

// Put is how often a goroutine was put off so far, and a number above that while some were not even
// looked at.
func (t *Table) Put() int64 { return t.scan.put + int64(t.scan.cold) }

// Now is the clock that samples are timed by.
func (t *Table) Now() int64 { return t.scan.now() }

// SleepUntil sleeps as the ticks do.
func (t *Table) SleepUntil(at int64) { t.scan.sleepUntil(context.Background(), at) }

// LookForNothing has a timeline without what is waited for, as it costs in other recordings.
func (t *Table) LookForNothing() { t.scan.waiting = t.scan.newWaitFinder(0) }
