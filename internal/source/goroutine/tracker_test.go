package goroutine

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Equal intervals of one goroutine are one, unless every interval is asked for.
func TestSplit(t *testing.T) {
	for split, want := range map[bool]int{false: 1, true: 10} {
		h := newHeap(t, 1)
		s := h.scanner(Options{Split: split})
		for range 10 {
			h.park(0, 7, 4, 64, 1, 2)
			h.step(s)
		}
		s.full = true
		h.step(s)
		s.close()
		if len(s.track.out) != want || total(s, 7, 4) != 10e6 {
			t.Errorf("split %v: %d events of %d ns, want %d of 10 ms", split, len(s.track.out), total(s, 7, 4), want)
		}
	}
}

// A slot outlives its goroutines: their times do not overlap and leave no hole.
func TestReuse(t *testing.T) {
	h := newHeap(t, 1)
	s := h.scanner(Options{})
	h.step(s)
	for goid := uint64(2); goid < 12; goid++ {
		h.put(base+16, goid)
		h.park(0, goid, 4, 64, 1)
		for range 5 {
			h.step(s)
		}
		if goid%2 == 0 {
			h.die(0)
			h.step(s)
		}
	}
	s.close()
	if s.stats.Seen != 10 || s.stats.New != 10 {
		t.Errorf("%d goroutines seen, %d of them new", s.stats.Seen, s.stats.New)
	}
	for goid := uint64(2); goid < 12; goid++ {
		if ns := total(s, goid, 4); ns != 5e6 && goid != 11 {
			t.Errorf("goroutine %d was there for %d ns, want 5 ms", goid, ns)
		}
	}
	for i := 1; i < len(s.track.out); i++ {
		if s.track.out[i].from < s.track.out[i-1].to {
			t.Errorf("event %d begins %d ns before the one before ends", i, s.track.out[i-1].to-s.track.out[i].from)
		}
	}
}

// Quiet chunks are read every 32 ticks, those where goroutines come and go at every tick.
func TestBackOff(t *testing.T) {
	h := newHeap(t, 1)
	h.park(0, 1, 4, 64, 1)
	s := h.scanner(Options{})
	for range 200 {
		h.step(s)
	}
	before := s.stats.Reads
	for range 320 {
		h.step(s)
	}
	if n := s.stats.Reads - before; n != 10 {
		t.Errorf("%d readings of a quiet chunk in 320 ticks", n)
	}
	h.die(0)
	for range 32 {
		h.step(s)
	}
	before = s.stats.Reads
	for range 320 {
		h.step(s)
	}
	if n := s.stats.Reads - before; n != 320 {
		t.Errorf("%d readings in 320 ticks after a death", n)
	}
	for range 3000 {
		h.step(s)
	}
	before = s.stats.Reads
	for range 320 {
		h.step(s)
	}
	if n := s.stats.Reads - before; n != 10 {
		t.Errorf("%d readings in 320 ticks of a chunk that became quiet again", n)
	}
}

// However rarely a quiet chunk is read, the time that goroutines spend in a state they are
// seldom in is what it should be, on average, for intervals shorter and longer than the back-off; and
// all states together are the goroutine's life, exactly.
func TestUnbiased(t *testing.T) {
	for _, interval := range []int64{300e3, 1e6, 3e6, 10e6, 20e6, 40e6, 80e6} {
		h := newHeap(t, 1)
		h.park(0, 1, 4, 64, 1)
		s := h.scanner(Options{Split: true})
		r := rand.New(rand.NewPCG(1, uint64(interval)))
		h.step(s)
		begin := h.clock
		var want, intervals int64
		reason, until := byte(4), begin+int64(r.ExpFloat64()*200e6)
		for s.stats.Ticks < 1_000_000 {
			h.clock += 1e6
			for until <= h.clock {
				length := int64(r.ExpFloat64() * 200e6)
				if reason = 9 - reason; reason == 5 {
					length = interval
					want += length
					intervals++
				}
				h.park(0, 1, reason, 64, uint64(reason))
				until += length
			}
			if err := s.tick(mode{}); err != nil {
				t.Fatal(err)
			}
		}
		s.full = true
		h.step(s)
		s.close()
		got, all := total(s, 1, 5), total(s, 1, 5)+total(s, 1, 4)
		if life := h.clock - begin; all != life {
			t.Errorf("interval %d: the states add up to %d ns, life was %d", interval, all, life)
		}
		off := float64(got-want) / float64(want)
		t.Logf("intervals of %v us: %+.1f %%, %.3f readings a tick", interval/1e3, 100*off, float64(s.stats.Reads)/float64(s.stats.Ticks))
		hits := float64(intervals) * min(1, float64(interval)/(maxPeriod*1e6)) // of which the estimate is made
		if math.Abs(off) > 0.03+3/math.Sqrt(hits) {
			t.Errorf("intervals of %d ns: %+.3f off", interval, off)
		}
	}
}

// Where scans are few an interval that lasts is emitted every five seconds, and elsewhere each second: whole in either case.
func TestLastingIsEmitted(t *testing.T) {
	for _, x := range []struct {
		rare bool
		most int
	}{{false, 22}, {true, 5}} {
		h := newHeap(t, 1)
		h.park(0, 7, 2, 64, 1, 2)
		s := h.scanner(Options{})
		s.track.rare = x.rare
		begin := h.clock
		for h.clock < begin+20e9 {
			h.clock += 49e6
			h.step(s)
		}
		if n := len(s.track.out); n > x.most {
			t.Errorf("rare %v: emitted %d times in 20 s, want %d at most", x.rare, n, x.most)
		}
		s.full = true
		h.step(s)
		s.close()
		if got := total(s, 7, state(2)); got < 20e9-100e6 {
			t.Errorf("rare %v: %v of 20 s", x.rare, time.Duration(got))
		}
	}
}

// A table that is too large for all of it to be handed over at a border of slices is not emitted any later.
func TestLargeIsEmitted(t *testing.T) {
	for n, want := range map[int]time.Duration{10: flushRare, flushMost: flushRare, flushMost + 1: flushEach * time.Duration(flushMost+1)} {
		c := new(chunk)
		if (&tracker{rare: true}).flush(c, 0, n); time.Duration(c.flush) != want {
			t.Errorf("%d goroutines are emitted after %v, want %v", n, time.Duration(c.flush), want)
		}
	}
}
