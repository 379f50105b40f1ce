package goroutine

import (
	"errors"
	"slices"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// stackOf is the stack that a slot's goroutine has, and what is missing of it.
func stackOf(s *scanner, i int) ([]uint64, sample.Loss) {
	for _, c := range s.mem.chunks {
		for k := range c.slots {
			if c.slots[k].addr == base+gs+uint64(i)*gSize && c.slots[k].alive {
				if st := c.slots[k].now.stack; st != nil {
					return st.pcs, c.slots[k].now.loss
				}
				return nil, c.slots[k].now.loss
			}
		}
	}
	return nil, sample.Lost
}

func TestWalk(t *testing.T) {
	long := make([]uint64, 200)
	for i := range long {
		long[i] = uint64(0x800000 + i)
	}
	tests := []struct {
		name   string
		edit   func(h *heap)
		want   []uint64
		loss   sample.Loss
		counts func(Stats) int64
	}{
		{name: "three frames", edit: func(h *heap) { h.park(0, 7, 2, 64, 1, 2, 3) }, want: []uint64{gopark, 1, 2, 3, goexit + 1}},
		{name: "more than is read at first", edit: func(h *heap) { h.park(0, 7, 2, 128, long...) },
			want: append(append([]uint64{gopark}, long...), goexit+1)},
		{name: "more than is read at all", edit: func(h *heap) { h.park(0, 7, 2, 304, long...) }, loss: sample.Truncated,
			want: append([]uint64{gopark}, long[:108]...), counts: func(st Stats) int64 { return st.Truncated }},
		{name: "not run yet", edit: func(h *heap) {
			h.park(0, 7, 2, 64)
			h.set(0, 64, entry)
			h.set(0, 96, 0)
		}, want: []uint64{entry + 1, goexit + 1}},
		{name: "no frame, somewhere else", edit: func(h *heap) {
			h.park(0, 7, 2, 64, 1)
			h.set(0, 96, 0)
		}, loss: sample.Unwalked, counts: func(st Stats) int64 { return st.Rootless }},
		{name: "a cycle", edit: func(h *heap) {
			h.park(0, 7, 2, 64, 1, 2, 3)
			h.put(h.lo(0)+stackSize-16-64, h.lo(0)+stackSize-16-3*64)
		}, loss: sample.Unwalked, counts: func(st Stats) int64 { return st.Rootless }},
		{name: "a frame that is its own caller", edit: func(h *heap) {
			h.park(0, 7, 2, 64, 1, 2, 3)
			h.put(h.lo(0)+stackSize-16-64, h.lo(0)+stackSize-16-64)
		}, loss: sample.Unwalked, counts: func(st Stats) int64 { return st.Rootless }},
		{name: "another root", edit: func(h *heap) {
			h.park(0, 7, 2, 64, 1, 2)
			h.put(h.lo(0)+stackSize-8, 99)
		}, loss: sample.Unwalked, counts: func(st Stats) int64 { return st.Rootless }},
		{name: "called from C", edit: func(h *heap) {
			h.park(0, 7, 2, 64, 1, 0x740050, 3)
			h.put(h.lo(0)+stackSize-16-64, 0x7fff00000000) // the third frame's caller
			h.put(h.lo(0)+stackSize-16-128, 0x7fff00000000)
		}, want: []uint64{gopark, 1, 0x740050}, loss: sample.Truncated},
		{name: "stack pointer outside", edit: func(h *heap) {
			h.park(0, 7, 2, 64, 1)
			h.set(0, 56, h.lo(0)-8)
		}, loss: sample.Unwalked, counts: func(st Stats) int64 { return st.Rootless }},
		{name: "frame pointer outside", edit: func(h *heap) {
			h.park(0, 7, 2, 64, 1)
			h.set(0, 96, ^uint64(0)-7)
		}, loss: sample.Unwalked, counts: func(st Stats) int64 { return st.Rootless }},
		{name: "in a system call", edit: func(h *heap) {
			h.park(0, 7, 2, 64, 1, 2)
			h.set(0, 144, gsyscall)
			h.set(0, 104, h.lo(0)+stackSize-16-128-32)
			h.set(0, 112, 0x666)
			h.set(0, 120, h.lo(0)+stackSize-16-128)
			h.set(0, 96, 0)
		}, want: []uint64{0x666, 1, 2, goexit + 1}},
		{name: "running", edit: func(h *heap) { h.park(0, 7, 2, 64, 1, 2); h.run(0) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHeap(t, 1)
			tt.edit(h)
			s := h.scanner(Options{})
			h.step(s)
			got, loss := stackOf(s, 0)
			if !slices.Equal(got, tt.want) || loss != tt.loss {
				t.Errorf("stack %#x, loss %d, want %#x, %d; %+v", got, loss, tt.want, tt.loss, s.stats)
			}
			if tt.counts != nil && tt.counts(*s.stats) != 1 {
				t.Errorf("not counted: %+v", s.stats)
			}
		})
	}
}

// A goroutine stopped in a function that has not set up its frame keeps the function's caller.
func TestLostCaller(t *testing.T) {
	const frameless, returns, plain = 0x900000, 0x910000, 0x920000
	delta := func(pc uint64) (int32, bool) {
		switch pc {
		case frameless:
			return 0, true
		case plain, returns - 1:
			return 40, true
		}
		return 0, false
	}
	tests := []struct {
		name string
		edit func(h *heap)
		want []uint64
	}{
		{"at the check of the stack", func(h *heap) {
			h.park(0, 7, 2, 64, 1, 2)
			h.set(0, 144, grunnable)
			h.set(0, 64, frameless)
			h.put(h.lo(0)+stackSize-16-128-32, returns) // at sp
		}, []uint64{frameless, returns, 1, 2, goexit + 1}},
		{"by a signal", func(h *heap) {
			h.park(0, 7, 2, 64, 0x730010, frameless, 2)
			h.set(0, 144, grunnable)
			h.put(h.lo(0)+stackSize-16-128+16, returns) // above asyncPreempt's frame
		}, []uint64{gopark, 0x730010, frameless, returns, 2, goexit + 1}},
		{"where it has its frame", func(h *heap) {
			h.park(0, 7, 2, 64, 0x730010, plain, 2)
			h.set(0, 144, grunnable)
			h.put(h.lo(0)+stackSize-16-128+16, returns)
		}, []uint64{gopark, 0x730010, plain, 2, goexit + 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHeap(t, 1)
			tt.edit(h)
			s := h.scanner(Options{SPDelta: delta})
			h.step(s)
			if got, _ := stackOf(s, 0); !slices.Equal(got, tt.want) {
				t.Errorf("stack %#x, want %#x", got, tt.want)
			}
		})
	}
}

// A goroutine that ran while its stack was read, seen by each of the words that tell, is read again,
// and after a second failure it has no stack but keeps its state.
func TestTornReads(t *testing.T) {
	parked := []uint64{gopark, 1, 2, goexit + 1}
	moved := []uint64{gopark, 5, 6, 7, goexit + 1}
	tests := []struct {
		name string
		edit func(h *heap, n int) // before the n-th reading of the g after its stack
		want []uint64
		torn int64
	}{
		{"nothing", func(*heap, int) {}, parked, 0},
		{"it ran and parked elsewhere", func(h *heap, n int) {
			if n == 1 {
				h.park(0, 7, 2, 64, 5, 6, 7)
			}
		}, moved, 0},
		{"it ran and parked at the same place", func(h *heap, n int) {
			if n == 1 {
				*h.byte(0, 191)++
			}
		}, parked, 0},
		{"it never stops", func(h *heap, n int) { *h.byte(0, 191)++ }, nil, 1},
		{"it runs", func(h *heap, n int) { h.run(0) }, nil, 1},
		{"it died", func(h *heap, n int) { h.die(0) }, nil, 1},
		{"another was born in its place", func(h *heap, n int) {
			h.die(0)
			h.park(0, 8, 2, 64, 5, 6, 7)
		}, nil, 1},
		{"its stack was moved", func(h *heap, n int) { h.set(0, 0, h.lo(0)+8*uint64(n)) }, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHeap(t, 1)
			h.park(0, 7, 2, 64, 1, 2)
			n, stack := 0, false
			h.before = func(addr uint64) {
				switch {
				case addr >= h.lo(0):
					stack = true
				case addr == h.g(0) && stack:
					n++
					stack = false
					tt.edit(h, n)
				}
			}
			s := h.scanner(Options{})
			h.step(s)
			got, loss := stackOf(s, 0)
			if !slices.Equal(got, tt.want) || (loss == sample.Unwalked) != (tt.want == nil) || s.stats.Torn != tt.torn {
				t.Errorf("stack %#x, loss %d, %d torn; want %#x, %d torn", got, loss, s.stats.Torn, tt.want, tt.torn)
			}
			if now := s.mem.chunks[0].slots[0].now; now.goid != 7 || now.state != 2 {
				t.Errorf("goroutine %d in state %d, want 7 in 2", now.goid, now.state)
			}
		})
	}
}

// Unchanged goroutines cost one read, and no stack is read for them again.
func TestCache(t *testing.T) {
	h := newHeap(t, 20)
	for i := range 20 {
		h.park(i, uint64(i+1), 2, 64, 1, 2)
		h.labels(i, "k", "v")
	}
	s := h.scanner(Options{Full: true})
	h.step(s)
	h.reads = 0
	for range 10 {
		h.step(s)
	}
	if h.reads != 10*3 { // the length, how far sweeping is, one window
		t.Errorf("%d pieces read in 10 ticks", h.reads)
	}
	if s.stats.Walked != 20 {
		t.Errorf("%d stacks walked", s.stats.Walked)
	}
	*h.byte(3, 191) = 255
	h.step(s)
	*h.byte(3, 191) = 0 // one more park: the counter wrapped around
	h.step(s)
	if s.stats.Walked != 22 || s.stats.Runs == 0 {
		t.Errorf("%d stacks walked, %d runs, want two more", s.stats.Walked, s.stats.Runs)
	}
}

// A tick allocates nothing for what it has seen before, whether the goroutines ran meanwhile or not.
func TestAllocations(t *testing.T) {
	h := newHeap(t, 20)
	for i := range 20 {
		h.park(i, uint64(i+1), 2, 64, 1, 2)
		h.labels(i, "k", "v")
	}
	h.run(19)
	s := h.scanner(Options{Full: true})
	h.step(s)
	n := testing.AllocsPerRun(100, func() {
		for i := range 10 {
			*h.byte(i, 191)++
			*h.byte(i, 176) ^= 1 // the wait reason
		}
		h.set(10, 344, 0)
		h.step(s)
		h.labels(10, "k", "v")
		h.step(s)
		s.track.out = s.track.out[:0]
	})
	if n > 0 {
		t.Errorf("%v allocations in two ticks", n)
	}
}

func TestLabels(t *testing.T) {
	h := newHeap(t, 3)
	for i := range 3 {
		h.park(i, uint64(i+1), 2, 64, 1, 2)
	}
	h.labels(0, "endpoint", "orders", "tenant", "")
	h.set(1, 344, 0x123) // not a label set
	s := h.scanner(Options{})
	h.step(s)
	set := s.mem.chunks[0].slots[0].set
	if want := []sample.Label{{Key: "endpoint", Value: "orders"}, {Key: "tenant", Value: ""}}; set == nil || !slices.Equal(set.Labels, want) {
		t.Errorf("labels %v, want %v", set, want)
	}
	if s.mem.chunks[0].slots[1].set != noSet || s.stats.LabelsForeign != 1 || s.stats.LabelsLost != 0 {
		t.Errorf("bad labels: %v, %d foreign, %d lost", s.mem.chunks[0].slots[1].set, s.stats.LabelsForeign, s.stats.LabelsLost)
	}
	h.reads = 0
	h.step(s)
	if h.reads != 3 || s.stats.LabelsForeign != 1 {
		t.Errorf("%d pieces read for what is known, %d foreign", h.reads, s.stats.LabelsForeign)
	}
	h.labels(1, "late", "one") // the same goroutine, at the next tick
	h.step(s)
	if set := s.mem.chunks[0].slots[1].set; set == nil || len(set.Labels) != 1 || set.Labels[0].Key != "late" {
		t.Errorf("labels %v", set)
	}
}

// A set is read as it was at the tick, whatever has become of its goroutine, unless a mark phase that may
// have freed it has ended meanwhile: then it is true only if the goroutine still has it. What is lost is counted,
// and the interval says so.
func TestLateLabels(t *testing.T) {
	const gen, phase = base + 32, base + 40
	died := func(h *heap) { h.die(0); h.set(0, 344, 0) }
	other := func(h *heap) { h.park(0, 8, 2, 64, 1, 2) }
	swept := func(h *heap) { h.put(gen, 4) }
	reused := func(h *heap) { h.labels(0, "another", "set!!") }
	for _, tt := range []struct {
		name    string
		marking bool
		unknown bool
		edit    []func(h *heap)
		lost    bool
	}{
		{name: "nothing happens"},
		{name: "it died", edit: []func(*heap){died}},
		{name: "another was born there", edit: []func(*heap){died, other}},
		{name: "a mark phase has ended", edit: []func(*heap){swept}},
		{name: "it died and a mark phase has ended", edit: []func(*heap){died, swept}, lost: true},
		{name: "its memory was used again", edit: []func(*heap){other, swept, reused}, lost: true},
		{name: "it died and the mark phase has ended that went on", marking: true, edit: []func(*heap){died, swept}},
		{name: "the runtime is not known, nothing happens", unknown: true},
		{name: "the runtime is not known, it died", unknown: true, edit: []func(*heap){died}, lost: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHeap(t, 1)
			h.put(gen, 2)
			h.park(0, 7, 2, 64, 1, 2)
			h.labels(0, "key", "value")
			text := h.lo(0) + 24 + 32
			s := h.scanner(Options{})
			s.mem.v.GCPhase = phase
			if tt.marking {
				h.put(phase, 1)
			}
			if tt.unknown {
				s.mem.v.SweepGen = 0
			}
			h.before = func(addr uint64) {
				if addr == text {
					for _, edit := range tt.edit {
						edit(h)
					}
				}
			}
			h.step(s)
			now := s.mem.chunks[0].slots[0].now
			want := []sample.Label{{Key: "key", Value: "value"}}
			if now.goid != 7 || now.lost != tt.lost || (s.stats.LabelsLost == 1) != tt.lost {
				t.Errorf("goroutine %d, labels lost %v, %d in all", now.goid, now.lost, s.stats.LabelsLost)
			}
			if !tt.lost && (now.set == nil || !slices.Equal(now.set.Labels, want)) || tt.lost && now.set != nil {
				t.Errorf("labels %v", now.set)
			}
		})
	}
}

// One reading does for all goroutines with a set, until a mark phase ends; and a goroutine that has run may have
// another set at the same address.
func TestSharedLabels(t *testing.T) {
	h := newHeap(t, 30)
	h.put(base+32, 2)
	for i := range 30 {
		h.park(i, uint64(i+1), 2, 64, 1, 2)
		h.set(i, 344, h.lo(0))
	}
	h.labels(0, "key", "value")
	text, texts := h.lo(0)+24+32, 0
	h.before = func(addr uint64) {
		if addr == text {
			texts++
		}
	}
	s := h.scanner(Options{Full: true})
	h.step(s)
	run := func() {
		for i := range 30 {
			*h.byte(i, 191)++
		}
		h.step(s)
	}
	run()
	if texts != 1 {
		t.Errorf("read %d times", texts)
	}
	h.put(base+32, 4)
	h.labels(0, "key", "other")
	run()
	if got := s.mem.chunks[0].slots[3].now.set; texts != 2 || got == nil || got.Labels[0].Value != "other" {
		t.Errorf("read %d times, %v", texts, got)
	}
	run()
	if s.stats.LabelsLost != 0 || texts != 2 {
		t.Errorf("%d lost, read %d times", s.stats.LabelsLost, texts)
	}
}

// What does not count when a mark phase ends is no counter, and nothing is believed for its sake.
func TestSweepsCheck(t *testing.T) {
	h := newHeap(t, 1)
	const gen, phase = base + 32, base + 40
	h.put(gen, 2)
	s := h.scanner(Options{})
	s.mem.v.GCPhase = phase
	for i, now := range [][2]uint64{{2, 0}, {2, 1}, {2, 2}, {2, 0}, {4, 0}, {4, 1}, {6, 1}, {6, 0}, {8, 0}} {
		h.put(gen, now[0])
		h.put(phase, now[1])
		if h.step(s); s.mem.sweeps.wrong {
			t.Fatalf("step %d: refused", i)
		}
	}
	for _, now := range []uint64{1, 0, 1} {
		h.put(phase, now)
		h.step(s)
	}
	if !s.mem.sweeps.wrong || s.mem.sweeps.cover(goruntime.NewGrace(s.mem.sweeps.gen[:], nil)) {
		t.Error("believed")
	}
}

// The table grows while it is watched, and new slots may lie between old ones.
func TestGrowth(t *testing.T) {
	h := newHeap(t, 40)
	h.put(base, 10)
	for i := range 40 {
		h.park(i, uint64(i+1), 4, 64, 1)
	}
	s := h.scanner(Options{})
	for n := 10; n <= 40; n += 5 {
		h.put(base, uint64(n))
		h.step(s)
		h.step(s) // takes up what it saw in the last
		if s.stats.Seen != int64(n) {
			t.Fatalf("%d goroutines seen, want %d", s.stats.Seen, n)
		}
	}
	h.put(base, 3)
	h.clock += 1e6
	if err := s.tick(mode{}); !errors.Is(err, errGone) {
		t.Errorf("a table that shrank: %v", err)
	}
}
