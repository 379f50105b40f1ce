package goroutine

import (
	"errors"
	"strings"
	"testing"
)

// A table that is none is refused, with the reason.
func TestCheck(t *testing.T) {
	tests := []struct {
		name string
		edit func(h *heap)
		want string // "" when it is a table
	}{
		{"a table", func(h *heap) {}, ""},
		{"a running goroutine without a stack pointer", func(h *heap) { h.run(1); h.set(1, 56, 0) }, ""},
		{"one that C made, which is dead", func(h *heap) { h.set(1, 144, gdeadextra); h.set(1, 0, 0) }, ""},
		{"a main goroutine", func(h *heap) { h.main = 0x750000; h.set(0, 296, h.main) }, ""},
		{"the main goroutine has ended", func(h *heap) { h.main = 0x750000; h.die(0) }, ""},
		{"goroutine 1 starts elsewhere", func(h *heap) { h.main = 0x750000 }, "goroutine 1 starts at 0x710000"},
		{"goroutine 2 starts in main", func(h *heap) { h.main = entry; h.die(0) }, "goroutine 2 starts at 0x710000"},
		{"no goroutine", func(h *heap) { h.put(base, 0) }, "no goroutine yet"},
		{"all dead", func(h *heap) { h.die(0); h.die(1); h.die(2) }, "no goroutine yet"},
		{"too many", func(h *heap) { h.put(base, 1<<40) }, "goroutines"},
		{"array elsewhere", func(h *heap) { h.put(base+8, 16) }, "0x10 cannot be read"},
		{"g elsewhere", func(h *heap) { h.put(base+allgs+8, 24) }, "0x18 cannot be read"},
		{"unknown status", func(h *heap) { h.set(1, 144, 7) }, "status 7"},
		{"id that was not given out", func(h *heap) { h.set(1, 152, 1<<40) }, "id 1099511627776"},
		{"no id", func(h *heap) { h.set(1, 152, 0) }, "id 0"},
		{"stack upside down", func(h *heap) { h.set(1, 8, h.lo(1)-8) }, "stack from"},
		{"stack pointer of another", func(h *heap) { h.set(1, 56, h.lo(2)+8) }, "stack pointer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHeap(t, 3)
			for i := range 3 {
				h.park(i, uint64(i+1), 2, 64, 1, 2)
			}
			tt.edit(h)
			err := h.scanner(Options{}).mem.check()
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (!errors.Is(err, ErrTable) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want ErrTable with %q", err, tt.want)
			}
		})
	}
}

func TestNextPeriod(t *testing.T) {
	tests := []struct {
		name            string
		period, nominal int64
		spent           float64
		want            int64
	}{
		{"within the budget", 1000, 1000, 0.9, 1000},
		{"half too much", 1000, 1000, 1.5, 1500},
		{"far too much", 1000, 1000, 40, 2000},
		{"near the budget", 4000, 1000, 0.95, 4000},
		{"well below", 4000, 1000, 0.19, 2000},
		{"back to what was asked", 1200, 1000, 0.5, 1000},
		{"hopeless", 9e8, 1000, 10, 1e9},
	}
	for _, tt := range tests {
		if got := nextPeriod(tt.period, tt.nominal, tt.spent); got != tt.want {
			t.Errorf("%s: period %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestBirths(t *testing.T) {
	b := births{next: 96, cached: [][2]uint64{{50, 64}, {90, 96}}}
	if n := b.unused(); n != 20 {
		t.Errorf("%d ids unused", n)
	}
	for goid, want := range map[uint64]bool{1: false, 49: false, 50: true, 63: true, 64: false, 89: false, 95: true, 96: false, 97: true} {
		if b.fresh(goid) != want {
			t.Errorf("goroutine %d: fresh %v", goid, !want)
		}
	}
}
