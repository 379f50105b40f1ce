package goroutine

import (
	"testing"
	"time"
)

// What is remembered of stacks has a bound in bytes, whatever their number and their size.
func TestRememberedIsBounded(t *testing.T) {
	for _, depth := range []int{1, maxFrames} {
		w := walker{pcs: make([]uint64, depth)}
		for i := range 50000 {
			w.pcs[0] = uint64(i)
			w.intern(false)
			if len(w.known)*(stackCost+depth) > maxHeld {
				t.Fatalf("%d stacks of %d frames remembered", len(w.known), depth)
			}
		}
	}
}

// The last look ends, however many goroutines there are and however long it takes to read them.
func TestLastLookIsBounded(t *testing.T) {
	const n = 8000
	h := newHeap(t, n)
	for i := range n {
		h.park(i, uint64(i+1), 1, 64)
	}
	s := h.scanner(Options{})
	for range 4 {
		h.step(s)
	}
	clock := s.now()
	s.now = func() int64 { clock += int64(50 * time.Millisecond); return clock }
	begin := clock
	s.group = 1
	r := &recorder{scan: s}
	if err := r.last(); err != nil {
		t.Fatal(err)
	}
	if took := time.Duration(clock - begin); took > 2*maxLast {
		t.Errorf("the last look took %v", took)
	}
}
