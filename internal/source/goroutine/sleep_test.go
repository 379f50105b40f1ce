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

// Ticks that are left out while all threads sleep count as those in which nothing is read.
func TestLeaveOut(t *testing.T) {
	for _, leave := range []bool{false, true} {
		h := newHeap(t, 2)
		h.park(0, 7, 2, 64, 1, 2)
		h.park(1, 8, 2, 64, 1, 2)
		since := uint64(1)
		s := h.scanner(Options{Asleep: func() (uint64, bool) { return since, true }})
		for range 4 {
			h.step(s)
		}
		left := 0
		for range 50 {
			if h.clock += 1e6; !leave || !s.leaveOut() {
				h.clock -= 1e6
				h.step(s)
				continue
			}
			left++
		}
		asleep := h.clock
		since++
		h.park(0, 7, 3, 64, 1, 2) // another reason
		if h.clock += 1e6; s.leaveOut() {
			t.Fatal("left out, and a thread was awake")
		}
		h.clock += 20e6 - 1e6 // what follows is found late
		if n := s.makeUp(); n != left || leave && n != 50 || s.makeUp() != 0 {
			t.Errorf("%d made up of %d, and then more", n, left)
		}
		if err := s.tick(mode{}); err != nil {
			t.Fatal(err)
		}
		s.close()
		// It was as before for as long as all slept, and something short from then on, as far as is known.
		if was, is := total(s, 7, state(2)), total(s, 7, state(3)); was != asleep-1e9-1e6 || is != 20e6 {
			t.Errorf("left out %v: %d ns as before and %d as now", leave, was, is)
		}
		if s.stats.Ticks != 55 || s.clock.tick != 55 {
			t.Errorf("left out %v: %d ticks and number %d, want 55", leave, s.stats.Ticks, s.clock.tick)
		}
	}
}

// A goroutine that was started just before all threads went to sleep is seen while they do.
func TestNewAsleep(t *testing.T) {
	h := newHeap(t, 2)
	h.put(base, 1)
	h.park(0, 7, 2, 64, 1, 2)
	since := uint64(1)
	s := h.scanner(Options{Asleep: func() (uint64, bool) { return since, true }})
	for range 4 {
		h.step(s)
	}
	since++
	h.put(base, 2)
	h.park(1, 8, 2, 64, 1, 2)
	for range 5 {
		h.step(s)
	}
	if seen := s.stats.Seen; seen != 2 {
		t.Errorf("%d goroutines were seen, want 2", seen)
	}
	h.clock += 1e6
	if !s.leaveOut() {
		t.Error("then there is nothing to do, and a tick is not left out")
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
