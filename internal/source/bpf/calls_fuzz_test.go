package bpf

import (
	"bytes"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

// FuzzCalls pairs beginnings and ends in any order: what comes out is nested no deeper than allowed, and nobody's but
// the goroutine's that is at work.
func FuzzCalls(f *testing.F) {
	f.Add(make([]byte, callEventSize))
	deep := bytes.Repeat([]byte{1}, callEventSize)
	deep[28], deep[29], deep[30], deep[31] = 0, 0, 0, 0 // begins, once more than is kept
	f.Add(bytes.Repeat(deep, maxNested+2))
	f.Fuzz(func(t *testing.T, raw []byte) {
		cost.Small.Hold(t, func() {
			p := newPairs()
			for ; len(raw) >= callEventSize; raw = raw[callEventSize:] {
				e, err := decodeCall(raw)
				if err != nil {
					t.Fatal(err)
				}
				if c, ok := p.add(e); ok && (c.Goid != e.goid || c.End != e.time || c.Function != e.function) {
					t.Fatalf("%+v of %+v", c, e)
				}
				if n := len(p.open[e.goid]); n > maxNested || p.open[0] != nil {
					t.Fatalf("%d calls are open", n)
				}
			}
			if _, err := decodeCall(raw); err == nil {
				t.Fatal("a record that was cut")
			}
		})
	})
}
