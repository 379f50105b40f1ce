//go:build amd64 || arm64

package perf

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func body(words ...uint64) (b []byte) {
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// wordsOf are as many registers as this architecture has in a sample.
func wordsOf() (n int) {
	for m := uint64(regsMask); m != 0; m &= m - 1 {
		n++
	}
	return n
}

func TestParseSample(t *testing.T) {
	words := []uint64{7 | 9<<32, 123, 6, contextKernel, 0xffff1, contextUser, 0x401, 0x402, contextMax + 3, 2}
	for i := range wordsOf() {
		words = append(words, 100+uint64(i))
	}
	words = append(words, stackBytes, 0xa, 0xb, stackBytes)
	var e event
	if err := parseSample(body(words...), &e); err != nil {
		t.Fatal(err)
	}
	if e.pid != 7 || e.tid != 9 || e.time != 123 || len(e.kernel) != 1 || len(e.user) != 2 || e.user[1] != 0x402 || !e.hasRegs ||
		!e.hasStack || e.stack[1] != 0xb {
		t.Errorf("%+v", e)
	}
	for n := range len(words) {
		if err := parseSample(body(words[:n]...), &e); !errors.Is(err, errRecord) {
			t.Errorf("%d words: %v", n, err)
		}
	}
}

func FuzzParseSample(f *testing.F) {
	f.Add(body(1, 2, 1, 0x401, 0, 0), uint64(4096))
	f.Add(body(1, 2, 1<<60), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint64) {
		cost.Small.Hold(t, func() {
			var e event
			if err := parseSample(b, &e); err != nil && !errors.Is(err, errRecord) {
				t.Fatal(err)
			}
			if 8*(len(e.user)+len(e.kernel)) > len(b) {
				t.Errorf("%d frames of %d bytes", len(e.user)+len(e.kernel), len(b))
			}
			if h, err := parseHeader(b); err == nil && h.size < headerSize {
				t.Errorf("%+v", h)
			}
			// A target's memory is anything at all.
			l := &goruntime.Layout{Labels: goruntime.LabelsSlice}
			l.G.Size, l.G.M, l.G.Goid, l.G.Labels, l.G.StackLo, l.G.StackHi = 64, 0, 8, 16, 24, 32
			l.M.Curg, l.M.G0 = 40, 48
			r := newReader(memory(b), l, newMemo(), func() int64 { return 1 })
			r.find(&event{regs: regs{g: at, sp: at}})
			r.find(&event{regs: regs{g: at &^ 7, sp: at}, tid: uint32(at)})
		})
	})
}

// memory repeats its bytes from the second page on.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if len(m) == 0 || off < 4096 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = m[(int(off%int64(len(m)))+i)%len(m)]
	}
	return len(p), nil
}

// What a goroutine is said to be was so when the sample was taken.
func TestFindIsInTime(t *testing.T) {
	l := &goruntime.Layout{Labels: goruntime.LabelsNone}
	l.G.Size, l.G.M, l.G.Goid, l.G.Labels, l.G.StackLo, l.G.StackHi = 64, 0, 8, 16, 24, 32
	l.M.Curg, l.M.G0 = 40, 48
	var now int64
	mem := memory(body(0, 42, 0, 0x1000, 0x2000, 0, 0, 0)) // repeats every 64 bytes
	r := newReader(mem, l, newMemo(), func() int64 { return now })
	find := func(at int64) (reading, verdict) {
		return r.find(&event{time: at, regs: regs{g: 8192, sp: 0x1800}})
	}
	now = 10 * fresh
	if _, v := find(now - 2*fresh); v != late {
		t.Errorf("first reading, late: %v", v)
	}
	now = 20 * fresh
	if g, v := find(now - 2*fresh); v != found || g.goid != 42 {
		t.Errorf("the same before and after: %v", v)
	}
	mem[8] = 43
	if _, v := find(now - 2*fresh); v != late {
		t.Errorf("another one now: %v", v)
	}
	if g, v := find(now - fresh/2); v != found || g.goid != 43 {
		t.Errorf("fresh: %v", v)
	}
	l.G.Status = 56
	mem[56] = gDead
	if _, v := find(now - fresh/2); v != late {
		t.Errorf("ended meanwhile, its labels with it: %v", v)
	}
	mem[56] = 0
	if _, v := r.find(&event{time: now, regs: regs{g: 8192 + 64*4096 + 8, sp: 5}}); v != noG {
		t.Errorf("no g: %v", v)
	}
}

// The shares of a batch add up to the CPU time, whatever the period.
func FuzzShare(f *testing.F) {
	f.Add(uint16(10), uint16(2), uint16(0), uint32(15e6), uint32(1e6))
	f.Add(uint16(1), uint16(0), uint16(14), uint32(15e6), uint32(1e6))
	f.Add(uint16(0), uint16(0), uint16(15), uint32(15e6), uint32(1e6))
	f.Fuzz(func(t *testing.T, n, lost, skipped uint16, cpu, period uint32) {
		b := &batch{lost: int64(lost), skipped: int64(skipped)}
		for range n {
			b.add(sample.Sample{}, &event{})
		}
		var given int64
		for range 3 {
			each, first, kernel := b.share(int64(cpu), b.stretch(int64(period)))
			if all := int64(n) + int64(lost); all > 0 {
				given += first + each*(all-1)
			}
			given += kernel
			if each < 0 || first < 0 || kernel < 0 {
				t.Fatalf("%d %d %d", each, first, kernel)
			}
		}
		if given+b.carry != 3*int64(cpu) {
			t.Errorf("%d given, %d carried of %d", given, b.carry, 3*int64(cpu))
		}
	})
}
