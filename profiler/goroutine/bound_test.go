package goroutine

import "testing"

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
