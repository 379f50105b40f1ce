package goroutine

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// vast is the memory of a program that once had very many goroutines: its g's, gSize apart, are made up
// when they are read.
type vast struct {
	n    uint64
	live map[uint64]bool // by number
}

const vastAll, vastG = 0x1000_0000, 0x2_0000_0000

// word is the word at an address that is a multiple of eight.
func (v *vast) word(addr uint64) uint64 {
	switch {
	case addr-base < 24: // allglen, allgptr, sched.goidgen
		return [3]uint64{v.n, vastAll, 1}[(addr-base)/8]
	case addr >= vastAll && addr < vastAll+8*v.n:
		return vastG + gSize*((addr-vastAll)/8)
	}
	return 0
}

func (v *vast) ReadAt(b []byte, off int64) (int, error) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], v.word(uint64(off)+uint64(i)))
	}
	return len(b), nil
}

// fill writes the g of number i.
func (v *vast) fill(g []byte, i uint64) {
	if !v.live[i] {
		binary.LittleEndian.PutUint32(g[gLayout.Status:], gdead)
		return
	}
	lo := 0x7000_0000_0000 + i*stackSize
	for off, word := range map[int32]uint64{0: lo, 8: lo + stackSize, gLayout.SchedSP: lo + 4096, gLayout.Goid: i + 1} {
		binary.LittleEndian.PutUint64(g[off:], word)
	}
	binary.LittleEndian.PutUint32(g[gLayout.Status:], gwaiting)
	g[gLayout.WaitReason] = 2
}

func (v *vast) Gather(pieces []proc.Piece) error {
	for i := range pieces {
		p := &pieces[i]
		p.OK = true
		clear(p.Buf)
		if p.Addr < vastG {
			v.ReadAt(p.Buf, int64(p.Addr))
		}
		if p.Addr < vastG || p.Addr >= vastG+gSize*v.n {
			continue
		}
		for at := (p.Addr + gSize - 1) / gSize * gSize; at+gSize-8 <= p.Addr+uint64(len(p.Buf)); at += gSize {
			v.fill(p.Buf[at-p.Addr:], (at-vastG)/gSize)
		}
	}
	return nil
}

func (v *vast) scanner(t testing.TB) *scanner {
	h := &heap{t: t}
	s, err := newScanner(v, h.layout(), h.vars(), Options{Rate: 999})
	if err != nil {
		t.Fatal(err)
	}
	clock := int64(1e9)
	s.clock.now = func() int64 { clock += 2e6; return clock }
	s.track.births = births{next: 1}
	return s
}

func (s *scanner) alive() (n int) {
	for _, c := range s.mem.chunks {
		for i := range c.slots {
			if c.slots[i].alive {
				n++
			}
		}
	}
	return n
}

// A program that has had 1.2 million goroutines has 50 now, wherever in the table they are: these are
// watched, and the dead ones cost little memory.
func TestMoreDeadThanAreWatched(t *testing.T) {
	v := &vast{n: 1_200_000, live: make(map[uint64]bool)}
	for i := range uint64(50) {
		v.live[i*24_001] = true // the last is number 1,176,049
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := v.scanner(t)
	for !s.mem.settled || s.mem.cold > 0 {
		if err := s.tick(mode{all: true}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.alive(); n != 50 || s.report().Unwatched != 0 {
		t.Errorf("%d goroutines found, %d unwatched, want 50", n, s.report().Unwatched)
	}
	if s.mem.slots > 50*chunkWindows*windowSize/gSize {
		t.Errorf("%d slots for 50 goroutines", s.mem.slots)
	}
	s.track.out, s.pace.due = nil, nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	bytes := float64(after.HeapAlloc - before.HeapAlloc)
	if t.Logf("%.1f MB", bytes/1e6); bytes > 20e6 {
		t.Errorf("%.0f bytes for 1.2 million dead goroutines", bytes)
	}
	runtime.KeepAlive(s)
}

// More goroutines than are watched: what is left out is counted, and watched when there is room.
func TestUnwatched(t *testing.T) {
	v := &vast{n: 1280, live: make(map[uint64]bool)}
	for i := range uint64(1280) {
		v.live[i] = true
	}
	s := v.scanner(t)
	s.mem.most = 640
	step := func() {
		t.Helper()
		if err := s.tick(mode{full: true, all: true}); err != nil {
			t.Fatal(err)
		}
	}
	step()
	step()
	if n, lost := s.alive(), int(s.report().Unwatched); n != 640 || n+lost != 1280 {
		t.Errorf("%d goroutines watched, %d not", n, lost)
	}
	for i := range uint64(1280) {
		v.live[i] = i >= 1216
	}
	for range 2 * maxPeriod { // those that died fold up
		step()
	}
	if n := s.alive(); n != 64 || s.mem.unwatched != 0 {
		t.Errorf("%d goroutines watched, %d not, want 64", n, s.mem.unwatched)
	}
}

// A goroutine that is born in a folded chunk is found, and its time begins when the chunk was last seen
// without it.
func TestUnfold(t *testing.T) {
	v := &vast{n: 640, live: map[uint64]bool{0: true}}
	s := v.scanner(t)
	clock := int64(1e9)
	s.clock.now = func() int64 { return clock }
	for range 3000 {
		clock += 1e6
		if err := s.tick(mode{}); err != nil {
			t.Fatal(err)
		}
	}
	if s.mem.slots >= 128 {
		t.Fatalf("%d slots, not folded", s.mem.slots)
	}
	v.live[600] = true
	s.track.births.next = 601
	born := clock
	for range 2 * maxPeriod {
		clock += 1e6
		if err := s.tick(mode{}); err != nil {
			t.Fatal(err)
		}
	}
	s.close()
	var wall int64
	for i := range s.track.out {
		var sm sample.Sample
		s.track.out[i].sample(&sm, s.state.names)
		if sm.Goid == 601 {
			wall += sm.Weight
		}
	}
	if life := clock - born; wall < life-2*maxPeriod*1e6/2 || wall > life+maxPeriod*1e6 {
		t.Errorf("%d ns of a goroutine that was there for %d", wall, life)
	}
}
