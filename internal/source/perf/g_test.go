package perf

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// space is a memory of words by address.
type space struct {
	words  map[uint64]uint64
	onRead func(addr uint64) // before the first byte is read
}

func (s *space) ReadAt(p []byte, off int64) (int, error) {
	if s.onRead != nil {
		s.onRead(uint64(off))
	}
	for i := range p {
		at := uint64(off) + uint64(i)
		w, ok := s.words[at&^7]
		if !ok {
			return i, io.EOF
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], w)
		p[i] = b[at%8]
	}
	return len(p), nil
}

// Addresses in the spaces of the tests.
const (
	theG, theG0, theM = 0x10000, 0x20000, 0x30000
	theSet, theText   = 0x40000, 0x50000
	createdAt         = 0x70000
	sweepGen, phase   = 0x60000, 0x60008
)

// newSpace has thread 7, which runs goroutine 42 on the stack from 0x1000 to 0x2000 and schedules on the
// one from 0x5000 to 0x6000. The goroutine has one label, k=v.
func newSpace() (*space, *goruntime.Layout) {
	l := &goruntime.Layout{Labels: goruntime.LabelsSlice}
	l.G.Size, l.G.M, l.G.Goid, l.G.Labels, l.G.StackLo, l.G.StackHi, l.G.Status, l.G.GoPC = 56, 0, 8, 16, 24, 32, 40, 48
	l.M.Curg, l.M.G0, l.M.Procid = 0, 8, 16
	s := &space{words: map[uint64]uint64{sweepGen: 8, phase: 0, theText: 'k' | 'v'<<8}}
	for at, words := range map[uint64][]uint64{
		theG:   {theM, 42, theSet, 0x1000, 0x2000, 2, createdAt},
		theG0:  {theM, 0, 0, 0x5000, 0x6000, 2, 0},
		theM:   {theG, theG0, 7},
		theSet: {theSet + 24, 1, 1, theText, 1, theText + 1, 1},
	} {
		for i, w := range words {
			s.words[at+8*uint64(i)] = w
		}
	}
	return s, l
}

// In assembly that has data in the register of g the thread says which goroutine it was, as long as the thread is
// the same and the stack pointer is in the goroutine's stack.
func TestFindInAssembly(t *testing.T) {
	const now = 100 * fresh
	goCode := &event{tid: 7, time: now, regs: regs{g: theG, sp: 0x1800}}
	for _, tt := range []struct {
		name    string
		tid     uint32
		g, sp   uint64
		procid  uint64
		want    verdict
		labeled bool
	}{
		{"on its stack", 7, 0xdead, 0x1800, 7, found, true},
		{"data that can be read", 7, theText, 0x1800, 7, found, true},
		{"on the system stack", 7, 0xdead, 0x5800, 7, found, true},
		{"on another goroutine's", 7, 0xdead, 0x9800, 7, late, false},
		{"a thread never seen in Go code", 8, 0xdead, 0x1800, 7, noG, false},
		{"the m is another thread's", 7, 0xdead, 0x1800, 8, noG, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, l := newSpace()
			r := newReader(s, l, newMemo(), func() int64 { return now })
			if _, v := r.find(goCode); v != found {
				t.Fatalf("in Go code: %v", v)
			}
			s.words[theM+16] = tt.procid
			g, v := r.find(&event{tid: tt.tid, time: now, regs: regs{g: tt.g, sp: tt.sp}})
			if v != tt.want || (g.goid == 42) != tt.labeled || (g.created == createdAt) != tt.labeled || (len(g.set) == 1) != tt.labeled {
				t.Errorf("goroutine %d, created at %#x, %v, %v", g.goid, g.created, g.set, v)
			}
		})
	}
}

// A goroutine that takes its labels off, or ends, while they are read had them all the same, unless their
// memory may have been used again.
func TestFindWithinGrace(t *testing.T) {
	for _, tt := range []struct {
		name string
		vars *goruntime.Vars
		gen  uint64 // of the sweep, while the set is read
		want verdict
	}{
		{"no mark phase has ended", &goruntime.Vars{SweepGen: sweepGen, GCPhase: phase}, 8, found},
		{"one has", &goruntime.Vars{SweepGen: sweepGen, GCPhase: phase}, 10, late},
		{"nobody knows", nil, 8, late},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, l := newSpace()
			r := newReader(s, l, newMemo(), func() int64 { return 0 })
			r.know(tt.vars)
			s.onRead = func(addr uint64) {
				if addr == theText {
					s.words[theG+16], s.words[sweepGen] = 0, tt.gen
				}
			}
			g, v := r.find(&event{tid: 7, regs: regs{g: theG, sp: 0x1800}})
			if set := g.set; v != tt.want || (v == found) != (len(set) == 1 && set[0].Key == "k" && set[0].Value == "v") {
				t.Errorf("%v, %v", set, v)
			}
			if v, ok := r.memo.reading(theG); ok && v.labels == 0 {
				t.Error("remembered without labels")
			}
		})
	}
}
