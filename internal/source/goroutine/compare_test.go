package goroutine

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// calls counts what would be system calls.
type calls struct {
	proc.Gatherer
	n int
}

func (c *calls) Gather(ps []proc.Piece) error {
	c.n++
	return c.Gatherer.Gather(ps)
}

func (c *calls) ReadAt(b []byte, off int64) (int, error) {
	c.n++
	return c.Gatherer.ReadAt(b, off)
}

// A tick takes two system calls, however many goroutines changed and however deep their stacks are: one for the
// g's and one for the stacks. Without changes it takes one.
func TestCallsPerTick(t *testing.T) {
	const n = 20
	h := newHeap(t, n)
	s := h.scanner(Options{Full: true})
	c := &calls{Gatherer: s.mem.Gatherer}
	s.mem.Gatherer = c
	returns := make([]uint64, 100)
	for i := range returns {
		returns[i] = uint64(0x800000 + i)
	}
	park := func() {
		for i := range n {
			h.park(i, uint64(7+i), 2, 16*(1+i%5), returns...)
		}
	}
	park()
	h.step(s)
	for round := range 5 {
		for _, tt := range []struct {
			change func()
			want   int
		}{{park, 2}, {func() {}, 1}} {
			tt.change()
			c.n = 0
			h.step(s)
			if c.n != tt.want {
				t.Errorf("round %d: %d system calls, want %d", round, c.n, tt.want)
			}
		}
	}
	if want := int64(6 * n); s.stats.Walked != want || s.stats.Torn+s.stats.Truncated != 0 {
		t.Errorf("%d stacks walked, want %d: %+v", s.stats.Walked, want, s.stats)
	}
}

// Groups are small where much changes, and large again where it does not.
func TestRegroup(t *testing.T) {
	p := &pacer{group: groupSize}
	for _, tt := range []struct{ jobs, want int }{{100, 8}, {100, 4}, {20, 4}, {0, 8}, {100, 4}, {100, 2}, {100, 1}, {100, 1}, {0, 2},
		{0, 4}, {0, 8}, {0, 16}, {0, 16}} {
		if p.regroup(tt.jobs); p.group != tt.want {
			t.Errorf("%d goroutines changed: groups of %d, want %d", tt.jobs, p.group, tt.want)
		}
	}
}

// The time of a goroutine that nothing happened to is known to the last scan, though its slot is not written to.
func TestCatchUp(t *testing.T) {
	h := newHeap(t, 1)
	h.park(0, 7, 2, 64, 1, 2)
	s := h.scanner(Options{Full: true})
	for range 10 {
		h.step(s)
	}
	last := s.mem.chunks[0].windows[0].read
	s.close()
	var sum int64
	for _, e := range s.track.out {
		sum += e.to - e.from
	}
	if end := s.track.out[len(s.track.out)-1].to; end != last || sum != last-s.track.out[0].from || sum <= 0 {
		t.Errorf("the goroutine's time ends at %d and is %d long, the last scan was at %d; %+v", end, sum, last, s.track.out)
	}
}
