package goroutine

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

// FuzzScan lets the target's memory be anything: a scan must not panic, must end, and must not read
// without bounds. The first bytes are written over the variables, the g's and the stacks of a heap
// that makes sense.
func FuzzScan(f *testing.F) {
	f.Add([]byte{}, uint16(0))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, uint16(0))
	f.Add([]byte{0xff, 0xff, 0, 0, 0, 0, 0, 0}, uint16(0))
	f.Add([]byte{4, 0, 0, 0, 0, 0, 0, 0}, uint16(gs+144))
	f.Add([]byte{0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint16(gs+96))
	f.Add([]byte{0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0}, uint16(gs+56))
	f.Add([]byte{0x40, 0x41, 2, 0, 0, 0, 0, 0}, uint16(gs+3*gSize+312))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		cost.Small.Hold(t, func() {
			h := newHeap(t, 4)
			for i := range 4 {
				h.park(i, uint64(i+1), byte(i), 64, 1, 2, 3)
				h.labels(i, "key", "value")
			}
			h.park(3, 4, chanReceive, 64, 1, 2, 3)
			h.set(3, 312, h.sudog(0, 3, h.channel(0, 0, 0, false)))
			*h.byte(1, 144) = grunnable
			*h.byte(2, 144) = gsyscall
			copy(h.mem[min(int(at), len(h.mem)):], b)
			s := h.scanner(Options{Split: true, SPDelta: func(pc uint64) (int32, bool) { return int32(pc), pc%3 > 0 }})
			_ = s.mem.check()
			s.track.births = s.mem.readBirths()
			for i := range 6 {
				h.clock += 1e6
				if s.tick(mode{}) != nil {
					break
				}
				if i == 2 {
					copy(h.mem[min(int(at), len(h.mem)):], b[len(b)/2:])
				}
			}
			s.close()
			if h.reads > 20_000 {
				t.Errorf("%d pieces read", h.reads)
			}
			for _, e := range s.track.out {
				if e.to <= e.from || e.to > h.clock+1e6 {
					t.Errorf("an event from %d to %d at %d", e.from, e.to, h.clock)
				}
				if e.on != nil && len(e.on.list) > maxCases {
					t.Errorf("%d objects", len(e.on.list))
				}
				if e.stack != nil && len(e.stack.pcs) > maxFrames+2 {
					t.Errorf("a stack of %d frames", len(e.stack.pcs))
				}
			}
		})
	})
}
