package main

import (
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Goroutines that wait for the same are one group that says for what, and those who wait each for their own are one
// too. Who else waits is counted over all groups.
func TestDumpWaits(t *testing.T) {
	full := sample.Object{Kind: sample.Chan, Addr: 0x100, Cap: 2, Len: 2, Op: sample.Send}
	own := func(addr uint64) sample.Object { return sample.Object{Kind: sample.Mutex, Addr: addr} }
	wait := func(id uint64, state sample.State, fn string, on ...sample.Object) profiler.Goroutine {
		return profiler.Goroutine{ID: id, State: state, WaitOn: on, Function: fn}
	}
	all := []profiler.Goroutine{
		wait(1, "chan send", "f", full), wait(2, "chan send", "f", full),
		wait(3, "select", "g", full, sample.Object{Kind: sample.Timer, Addr: 0x200, Op: sample.Receive}),
		wait(4, "sync.Mutex.Lock", "h", own(0x300)), wait(5, "sync.Mutex.Lock", "h", own(0x308)), wait(6, "sync.Mutex.Lock", "h", own(0x308)),
		wait(7, "sync.Mutex.Lock", "i", own(0x310)), wait(8, "sync.Mutex.Lock", "i", own(0x318)),
		wait(9, "select", "j", full, full), wait(10, "sleep", "k"),
		wait(11, "chan receive", "l", sample.Object{Kind: sample.Timer, Addr: 0x400, Due: time.Now().Add(time.Hour + 30*time.Second).
			UnixNano(), Every: 1e9}),
	}
	var out strings.Builder
	if err := printDump(&env{stdout: &out}, all, queues(all), dumpForm{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 goroutines [chan send on chan 0x100 cap=2 len=2, 4 wait for it] 1 2\n",
		"goroutine 3 [select on chan 0x100 cap=2 len=2 send, timer 0x200]\n",
		"3 goroutines [sync.Mutex.Lock on mutex (2 different; 2 wait for mutex 0x308)] 4 5 6\n",
		"2 goroutines [sync.Mutex.Lock on mutex (2 different)] 7 8\n",
		"goroutine 10 [sleep]\n",
		"goroutine 11 [chan receive on timer 0x400, due in 1h0m",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
