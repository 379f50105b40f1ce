package goroutine

import (
	"testing"
	"time"
)

// What is remembered of stacks has a bound in bytes, whatever their number and their size.
func TestRememberedIsBounded(t *testing.T) {
	for _, depth := range []int{1, maxFrames} {
		var known knownStacks
		pcs := make([]uint64, depth)
		for i := range 50000 {
			pcs[0] = uint64(i)
			known.intern(pcs, false)
			if len(known.byHash)*(stackCost+depth) > maxRemembered {
				t.Fatalf("%d stacks of %d frames remembered", len(known.byHash), depth)
			}
		}
	}
}

// The last tick ends, however many goroutines there are and however long it takes to read them.
func TestLastTickIsBounded(t *testing.T) {
	const n = 8000
	h := newHeap(t, n)
	for i := range n {
		h.park(i, uint64(i+1), 1, 64)
	}
	s := h.scanner(Options{})
	for range 4 {
		h.step(s)
	}
	clock := s.clock.now()
	s.clock.now = func() int64 { clock += int64(50 * time.Millisecond); return clock }
	begin := clock
	s.pace.group = 1
	r := &recorder{scan: s}
	if err := r.last(); err != nil {
		t.Fatal(err)
	}
	if took := time.Duration(clock - begin); took > 2*maxLast {
		t.Errorf("the last tick took %v", took)
	}
}
