package goroutine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// What is remembered of label sets and stacks has a bound in bytes, whatever their number and their size.
func TestRememberedIsBounded(t *testing.T) {
	for _, size := range []int{1, 10000} {
		var r labelReader
		filler, most := strings.Repeat("x", size), 0
		for i := range 20000 {
			value := fmt.Sprint(filler, i)
			set := r.intern([]proc.Piece{{Buf: []byte("request")}, {Buf: []byte(value)}})
			if l := set.labels[0]; l.Key != "request" || l.Value != value {
				t.Fatalf("set %d: %v", i, set.labels)
			}
			if len(r.known)*(setCost+size) > maxSetBytes {
				t.Fatalf("%d sets of %d bytes remembered", len(r.known), size)
			}
			most = max(most, r.held)
		}
		if most > maxSetBytes || most < maxSetBytes/2 {
			t.Errorf("at most %d bytes of label sets of %d bytes", most, size)
		}
	}
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
