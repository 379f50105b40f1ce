package goroutine

import (
	"testing"
	"time"
)

// While all threads sleep nothing is read, and the time counts; what was done then is seen in the first tick after.
func TestAsleep(t *testing.T) {
	h := newHeap(t, 2)
	h.park(0, 7, 2, 64, 1, 2)
	h.park(1, 8, 2, 64, 1, 2)
	since, ok := uint64(1), true
	s := h.scanner(Options{Asleep: func() (uint64, bool) { return since, ok }})
	for range 4 { // the first knows of nothing, and finds all goroutines new
		h.step(s)
	}
	reads := h.reads
	for range 50 {
		h.step(s)
	}
	if h.reads != reads {
		t.Errorf("%d pieces were read of a program that sleeps", h.reads-reads)
	}
	asleep := h.clock
	h.park(0, 7, 3, 64, 1, 2) // another reason
	since++
	h.step(s)
	if h.reads == reads {
		t.Fatal("nothing was read of one that was awake")
	}
	s.close()
	if was, is := total(s, 7, state(2)), total(s, 7, state(3)); was < asleep-1e9-5e6 || is > 1e6 || is == 0 {
		t.Errorf("%d ns as before and %d as now, of which it has been asleep for 50 ms", was, is)
	}
}

// What goes on to run, or is not known to sleep, is read at every tick.
func TestNotAsleep(t *testing.T) {
	for _, ok := range []bool{true, false} {
		h := newHeap(t, 1)
		h.park(0, 7, 2, 64, 1, 2)
		var since uint64
		s := h.scanner(Options{Asleep: func() (uint64, bool) { since++; return since, ok }})
		for range 10 {
			reads := h.reads
			if h.step(s); h.reads == reads {
				t.Errorf("not read, ok is %v", ok)
			}
		}
	}
}

// Scans that are few have the same times for all tables, some way into each period and never twice.
func TestCommonTicks(t *testing.T) {
	const period = int64(time.Second) / 19
	for now := int64(1e15); now < 1e15+100*period; {
		at := common(now, period)
		if at <= now || at > now+period+period/5 {
			t.Fatalf("%d ns after %d", at-now, now)
		}
		for _, d := range []int64{1, (at - now) / 2, at - now - 1} {
			if other := common(now+d, period); other != at {
				t.Fatalf("%d for one, %d for another that asks %d ns later", at, other, d)
			}
		}
		now = at
	}
}
