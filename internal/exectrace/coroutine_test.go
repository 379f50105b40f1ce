package exectrace

import (
	"bytes"
	"iter"
	"runtime/trace"
	"testing"
	"time"
)

// TestCoroutine pulls from an iterator that sleeps. A trace says of a switch to a coroutine neither where it is nor what for, and who
// waits for one is not back where it began.
func TestCoroutine(t *testing.T) {
	const length = 5 * time.Millisecond
	var b bytes.Buffer
	check(t, trace.Start(&b))
	done := make(chan bool)
	go func() { // born in the trace
		defer close(done)
		next, stop := iter.Pull(func(yield func(int) bool) {
			for time.Sleep(length); yield(1); {
				time.Sleep(length)
			}
		})
		defer stop()
		next()
		next()
	}()
	<-done
	trace.Stop()
	x := read(t, b.Bytes(), Options{})
	waits := 0
	for _, g := range x.Tracks {
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if x.States[p.State].Name != "coroutine" || p.Length() < int64(length) {
				continue
			}
			if kid := x.ByID[p.By]; p.Stack != x.Nothing || kid == nil || kid.Parent != g.Goid {
				t.Errorf("%+v: want no stack, and the coroutine that it started as what ended it", p)
			}
			waits++
		}
	}
	if waits != 2 {
		t.Errorf("%d waits for a coroutine, want 2", waits)
	}
}
