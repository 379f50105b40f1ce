package goroutine

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// More threads that sleep between their scans than the runtime has Ps leave Ps to all others.
func TestSleepLeavesPs(t *testing.T) {
	const threads = 4
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	sampling.Add(threads)
	defer sampling.Add(-threads)
	c := &clock{now: proc.Monotonic}
	end := proc.Monotonic() + int64(2*time.Second)
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			c.sleepUntil(t.Context(), end)
		})
	}
	const turns = 300
	n := 0
	for ; n < turns && proc.Monotonic() < end; n++ {
		time.Sleep(time.Millisecond) // and then wait for a P
	}
	if wg.Wait(); n < turns {
		t.Errorf("a goroutine had %d of %d turns while %d threads slept", n, turns, threads)
	}
}
