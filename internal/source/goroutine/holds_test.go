package goroutine

import (
	"strconv"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// row is what a closed scanner says of a label's value; of all goroutines when there is no key.
func row(t *testing.T, s *scanner, key, value string) sample.Lifetimes {
	t.Helper()
	for _, l := range s.stats.Lifetimes {
		if l.Key == key && l.Value == value {
			return l
		}
	}
	t.Fatalf("no lifetimes of %s=%q: %v", key, value, s.stats.Lifetimes)
	return sample.Lifetimes{}
}

func checkRow(t *testing.T, l sample.Lifetimes, ended, alive, unknown int64) {
	t.Helper()
	if l.Ended != ended || l.Alive != alive || l.Unknown != unknown {
		t.Errorf("%v; want %d, %d, %d", l, ended, alive, unknown)
	}
}

func near(t *testing.T, l sample.Lifetimes, ns int64) {
	t.Helper()
	if l.P50 < ns*8/10 || l.P50 > ns*13/10 {
		t.Errorf("%v: want a median of %d ns", l, ns)
	}
}

// A goroutine has a value from when it takes it, or begins, until it takes another or ends; who was there before, and who is
// still there at the end, is told.
func TestLifetimes(t *testing.T) {
	h := newHeap(t, 5)
	h.labels(3, "endpoint", "/a")
	h.labels(4, "endpoint", "/a", "step", "2")
	h.park(2, 1, 4, 64, 1)
	h.labels(2, "endpoint", "/old")
	s := h.scanner(Options{Full: true})
	s.track.births.next = 1
	steps := func(n int) {
		for range n {
			h.step(s)
		}
	}
	steps(3)
	for goid := uint64(2); goid < 12; goid++ {
		h.put(base+16, goid)
		h.park(0, goid, 4, 64, 1)
		h.set(0, gLayout.Labels, h.lo(3))
		steps(20)
		h.set(0, gLayout.Labels, h.lo(4)) // of a nested pprof.Do
		steps(10)
		h.die(0)
		h.set(0, gLayout.Labels, 0)
		steps(5)
	}
	h.park(1, 12, 4, 64, 1)
	h.labels(1, "endpoint", "/long")
	steps(50)
	s.close()
	a := row(t, s, "endpoint", "/a")
	checkRow(t, a, 10, 0, 0)
	near(t, a, 30e6)
	near(t, row(t, s, "step", "2"), 10e6)
	checkRow(t, row(t, s, "endpoint", "/old"), 0, 0, 1)
	long := row(t, s, "endpoint", "/long")
	checkRow(t, long, 0, 1, 0)
	if long.P50 != -1 || long.P99 != -1 {
		t.Errorf("of what did not end: %v", long)
	}
	all := s.stats.Lifetimes[0]
	checkRow(t, all, 10, 1, 1)
	near(t, all, 30e6)
}

// Two equal sets at two addresses are of two requests that one goroutine serves.
func TestLifetimesOfRequests(t *testing.T) {
	h := newHeap(t, 3)
	for i := 1; i < 3; i++ {
		h.labels(i, "endpoint", "/a")
	}
	h.park(0, 1, 4, 64, 1)
	s := h.scanner(Options{Full: true})
	h.step(s)
	for n := range 40 {
		*h.byte(0, 191)++
		h.set(0, gLayout.Labels, h.lo(1+n%2))
		for range 8 {
			h.step(s)
		}
	}
	h.set(0, gLayout.Labels, 0)
	h.step(s)
	s.close()
	a := row(t, s, "endpoint", "/a")
	checkRow(t, a, 40, 0, 0)
	near(t, a, 8e6)
}

// A label with too many values has one row for all, whatever was counted before there were too many.
func TestLifetimesOfIDs(t *testing.T) {
	const n = 3 * maxHeldValues
	h := newHeap(t, n+1)
	s := h.scanner(Options{Full: true})
	h.step(s)
	for goid := uint64(1); goid <= n; goid++ {
		h.put(base+16, goid)
		h.park(0, goid, 4, 64, 1)
		h.labels(int(goid), "id", strconv.FormatUint(goid, 10))
		h.set(0, gLayout.Labels, h.lo(int(goid)))
		for range 4 {
			h.step(s)
		}
		h.die(0)
		h.step(s)
	}
	s.close()
	if len(s.stats.Lifetimes) != 2 {
		t.Fatalf("%d rows", len(s.stats.Lifetimes))
	}
	other := row(t, s, "id", sample.OtherValue)
	checkRow(t, other, n, 0, 0)
	near(t, other, 4e6)
}

// Of labels that are longer than ids are nothing is kept once all who had them have ended.
func TestLifetimesOfLongValues(t *testing.T) {
	h := newHeap(t, 1)
	s := h.scanner(Options{Full: true})
	h.park(0, 1, 4, 64, 1)
	h.labels(0, "query", strings.Repeat("x", maxHeldText+1))
	for range 4 {
		h.step(s)
	}
	s.close()
	if n := len(s.stats.Lifetimes); n != 1 || len(s.track.holds.keys) != 0 {
		t.Errorf("%d rows, want that of all goroutines; %d keys", n, len(s.track.holds.keys))
	}
}

// What comes and goes while nobody looks has no length that is known.
func TestLifetimesUnknown(t *testing.T) {
	h := newHeap(t, 1)
	h.park(0, 1, 4, 64, 1)
	s := h.scanner(Options{})
	for range 200 {
		h.step(s)
	}
	h.labels(0, "endpoint", "/a") // the chunk is read every 32 ticks by now
	for range 40 {
		h.step(s)
	}
	h.set(0, gLayout.Labels, 0)
	h.step(s)
	s.close()
	checkRow(t, row(t, s, "endpoint", "/a"), 0, 0, 1)
}
