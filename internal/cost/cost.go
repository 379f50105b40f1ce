// Package cost holds what a test does with hostile input to a limit of memory and time, in fuzz targets above all.
package cost

import (
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// Limit is what one input may cost.
type Limit struct {
	Bytes uint64        // allocated in all, whether they are free again or not
	Time  time.Duration // in which the process runs
}

// Small is for what reads a few kilobytes: memory that is some multiple of the input, and a time that only something
// without a bound exceeds, also on a busy machine with the race detector or the fuzzer's counters in the code.
var Small = Limit{64 << 20, 10 * time.Second}

// pollEvery is between two looks at a call that has not returned.
const pollEvery = 20 * time.Millisecond

// Hold calls f and fails the test if that costs more. A call that is over the limit and has not returned ends the
// process: nothing else ends it, and the fuzzer then keeps the input.
func (l Limit) Hold(t testing.TB, f func()) {
	t.Helper()
	before := allocated()
	done := make(chan struct{})
	defer close(done)
	go l.watch(done, before)
	f()
	if got := allocated() - before; got > l.Bytes {
		t.Fatalf("%d bytes were allocated, the limit is %d", got, l.Bytes)
	}
}

// patience is how many times its limit a call may take that does not use a CPU: it waits for one on a machine that does
// something else, or for ever.
const patience = 10

// watch counts the time in which this process ran and the CPU time that it used: it is stopped or gets no CPU for a while on
// a machine that does something else, and no input is guilty of that. Nor is it of the collector's, on many CPUs.
func (l Limit) watch(done <-chan struct{}, before uint64) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var ran time.Duration
	used := cpuTime()
	for last := time.Now(); ; {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		now := time.Now()
		ran += min(now.Sub(last), 2*pollEvery)
		last = now
		if min(ran, cpuTime()-used) > l.Time || ran > patience*l.Time {
			l.exceeded(fmt.Sprintf("not done after %s", l.Time))
		}
		if got := allocated() - before; got > l.Bytes {
			l.exceeded(fmt.Sprintf("not done with %d bytes allocated, the limit is %d", got, l.Bytes))
		}
	}
}

// exceeded ends the process and shows what every goroutine was doing.
func (l Limit) exceeded(how string) {
	debug.SetTraceback("all")
	panic(how)
}

// allocated is what the process has allocated so far, in bytes. What a P has taken of its current spans comes later, which is
// less than limits are apart.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
