package goroutine

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// The sudogs of a select are linked, one read each. But the runtime allocates small objects of one size in spans of
// 8 KiB, and few programs have more sudogs than fit into some of those. So the spans in which selects begin are read
// whole, which costs as much as a system call, and what was needed and not in them is read with the next ones.

const (
	spanBytes = 8 << 10
	maxSpans  = 8 // that are read together,
	maxMissed = 2 // those among them of sudogs that were missed lately
)

// spans are the copies of one pass.
type spans struct {
	list   []span
	misses [maxMissed]uint64
	next   int // of misses
}

type span struct {
	base uint64
	ok   bool
	mem  []byte
}

func (x *spans) want(addr uint64) {
	n := len(x.list)
	if n == maxSpans || x.wanted(addr) {
		return
	}
	x.list = slices.Grow(x.list, 1)[:n+1]
	s := &x.list[n]
	s.base, s.ok, s.mem = addr&^(spanBytes-1), false, grow(s.mem, spanBytes)
}

// wanted says whether an address lies in one of the spans.
func (x *spans) wanted(addr uint64) bool {
	for i := range x.list {
		if addr-x.list[i].base < spanBytes {
			return true
		}
	}
	return false
}

func (x *spans) appendTo(ps []proc.Piece) []proc.Piece {
	for i := range x.list {
		ps = append(ps, proc.Piece{Addr: x.list[i].base, Buf: x.list[i].mem})
	}
	return ps
}

// take enters which of the pieces could be read, and returns the rest of them.
func (x *spans) take(ps []proc.Piece) []proc.Piece {
	for i := range x.list {
		x.list[i].ok = ps[i].OK
	}
	return ps[len(x.list):]
}

// get returns the memory at an address if it was read.
func (x *spans) get(addr uint64, n int) []byte {
	for i := range x.list {
		if off := addr - x.list[i].base; off <= uint64(spanBytes-n) && x.list[i].ok {
			return x.list[i].mem[off:][:n]
		}
	}
	return nil
}

// missed notes the address of a sudog that was not in any of them.
func (x *spans) missed(addr uint64) {
	base := addr &^ (spanBytes - 1)
	if !slices.Contains(x.misses[:], base) {
		x.misses[x.next%maxMissed] = base
		x.next++
	}
}

// slab makes lists of objects, many in one allocation.
type slab struct {
	sets  []objects
	lists []sample.Object
}

const slabSize = 64

func (x *slab) objects(list []sample.Object, all bool) *objects {
	if len(x.sets) == cap(x.sets) {
		x.sets = make([]objects, 0, slabSize)
	}
	if len(x.lists)+len(list) > cap(x.lists) {
		x.lists = make([]sample.Object, 0, max(2*slabSize, len(list)))
	}
	n := len(x.lists)
	x.lists = append(x.lists, list...)
	x.sets = append(x.sets, objects{list: x.lists[n:len(x.lists):len(x.lists)], all: all})
	return &x.sets[len(x.sets)-1]
}
