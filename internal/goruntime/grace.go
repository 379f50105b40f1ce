package goruntime

import (
	"encoding/binary"
	"io"
)

// Grace is how long memory that was reachable in the target at some moment t0 is sure to hold what it held
// then: the last value of runtime.mheap_.sweepgen for which it does. It is what makes a label set that
// was read late a true one, even if its goroutine has ended or has another set by now. The zero Grace
// is over.
//
// The argument (runtime/mgc.go, mgcsweep.go, mbitmap.go, mcache.go; the same in Go 1.19 to 1.27):
//
// Memory of an object is used again only after a sweep has found it unmarked. gcSweep begins the sweep
// that follows mark phase n by mheap_.sweepgen = 2n, while the world is stopped; a span is swept for
// phase n only if its own sweepgen is 2n-2, once, and then becomes 2n.
//
//   - t0 lies between mark phases n and n+1, while sweeping for n may still go on. An object that is
//     reachable at t0 was reachable when phase n ended, and then it is marked, or it was allocated later.
//     Objects are allocated in spans that were swept for n only (every P flushes its cache before it
//     allocates: prepareForSweep), which are not swept again before phase n+1. So nothing frees the
//     object before sweepgen is 2(n+1). Weak pointers, and objects that a finalizer brings back, are no
//     exception: the one finds no object that is not marked, the other's are marked.
//   - t0 lies within mark phase n+1. The write barrier shades what a heap slot held and what it is given,
//     so an object that a heap slot refers to at any time of the phase is marked at its end, and so is
//     what it refers to. (For what only stacks refer to that is not so.) A g is an object of the heap
//     that runtime.allgs keeps, and all its fields of pointer type are such slots. So what g.labels
//     refers to at t0 is not freed by the sweep for n+1 either, and remains until sweepgen is 2(n+2).
//
// Either way t0 needs a lower bound only. sweepgen is read first, then runtime.gcphase, then the slot: if
// the phase is marking, its number is at least sweepgen/2+1. And if sweepgen, read after the last byte, is
// no higher than the bound, all bytes are those of t0: pieces of one process_vm_readv are copied in their
// order, each behind the atomic operations that pin its page.
//
// That the object's bytes are not changed by the program itself is its type's promise, not the collector's:
// label sets and strings are immutable. GOEXPERIMENT=runtimefreegc frees early only what the compiler has
// proved unreachable, arenas only what their user has.
type Grace struct {
	until uint32
	known bool
}

// Size of what NewGrace and Covers are given, bytes.
const GraceSize = 4

// gcOff is _GCoff, runtime/mgc.go.
const gcOff = 0

// NewGrace returns the Grace of what is reachable from the heap by the time that the two words have been
// read: mheap_.sweepgen first, then gcphase, nil if it cannot be read.
func NewGrace(sweepgen, gcphase []byte) Grace {
	g := Grace{binary.LittleEndian.Uint32(sweepgen), true}
	if g.until%2 != 0 {
		return Grace{} // no sweepgen
	}
	if gcphase != nil && binary.LittleEndian.Uint32(gcphase) != gcOff {
		g.until += 2
	}
	return g
}

// ReadGrace reads the Grace of what is reachable from the heap from now on.
func ReadGrace(mem io.ReaderAt, v *Vars) Grace {
	var gen, phase [GraceSize]byte
	if v == nil || v.SweepGen == 0 {
		return Grace{}
	}
	if n, _ := mem.ReadAt(gen[:], int64(v.SweepGen)); n < len(gen) {
		return Grace{}
	}
	if v.GCPhase == 0 {
		return NewGrace(gen[:], nil)
	}
	if n, _ := mem.ReadAt(phase[:], int64(v.GCPhase)); n < len(phase) {
		return NewGrace(gen[:], nil)
	}
	return NewGrace(gen[:], phase[:])
}

// Covers says whether it lasts still, by mheap_.sweepgen as it was read after the last byte in question.
func (g Grace) Covers(sweepgen []byte) bool {
	return g.known && int32(binary.LittleEndian.Uint32(sweepgen)-g.until) <= 0
}

// Lasts reads mheap_.sweepgen into buf, of GraceSize bytes, and says whether it covers all that was read before the call.
func (g Grace) Lasts(mem io.ReaderAt, v *Vars, buf []byte) bool {
	if !g.known || v.SweepGen == 0 {
		return false
	}
	n, _ := mem.ReadAt(buf, int64(v.SweepGen))
	return n == len(buf) && g.Covers(buf)
}

// Longest returns the one that lasts longer.
func (g Grace) Longest(o Grace) Grace {
	if !g.known || o.known && int32(o.until-g.until) > 0 {
		return o
	}
	return g
}
