package goroutine

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// waiter is a goroutine that waits for something, and what was read to know for what.
type waiter struct {
	job     *job
	class   waitClass
	stack   []byte // from sp on; nil until it was walked
	first   uint64 // g.waiting, 0 if that is no address
	fetched []fetch
	head    []byte // of its g, read after that
	found   []sample.Object
	cut     bool // there is more
	wide    bool // all words on its stack are tried
	done    bool
}

// fetch is a piece of memory.
type fetch struct {
	addr uint64
	n    int
	read bool
	ok   bool
	mem  [fetchSize]byte
}

// want notes an address to be read, unless it was.
func (w *waiter) want(addr uint64, n int) {
	for i := range w.fetched {
		if w.fetched[i].addr == addr && w.fetched[i].n >= n {
			return
		}
	}
	k := len(w.fetched)
	w.fetched = slices.Grow(w.fetched, 1)[:k+1]
	f := &w.fetched[k]
	f.addr, f.n, f.read, f.ok = addr, n, false, false
}

// get returns the memory at an address. It is nil if that could not be read, and known is false if it was not
// tried yet: then it will be.
func (w *waiter) get(addr uint64, n int) (mem []byte, known bool) {
	for i := range w.fetched {
		if f := &w.fetched[i]; f.addr == addr && f.n >= n && f.read {
			if !f.ok {
				return nil, true
			}
			return f.mem[:n], true
		}
	}
	w.want(addr, n)
	return nil, false
}

// appendWanted appends what is still to be read.
func (w *waiter) appendWanted(ps []proc.Piece) []proc.Piece {
	for i := range w.fetched {
		if f := &w.fetched[i]; !f.read {
			ps = append(ps, proc.Piece{Addr: f.addr, Buf: f.mem[:f.n]})
		}
	}
	return ps
}

// take enters which of the pieces could be read, and returns the rest of them.
func (w *waiter) take(ps []proc.Piece) []proc.Piece {
	for i := range w.fetched {
		if f := &w.fetched[i]; !f.read {
			f.read, f.ok = true, ps[0].OK
			ps = ps[1:]
		}
	}
	return ps
}
