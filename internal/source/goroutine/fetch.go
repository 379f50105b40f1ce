package goroutine

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A waitClass is what a wait reason says about the kind of thing that is waited for.
type waitClass struct {
	how  waitPlace
	kind sample.ObjectKind
	op   sample.Op
	back uint64 // of the object's address to the word that is waited for
}

// waitPlace is where the object is found.
type waitPlace uint8

const (
	nowhere   waitPlace = iota
	channels            // of sudogs from g.waiting on
	semaphore           // sudog.elem
	condition           // the same, of a list
)

// The distances are those of sync.Mutex, RWMutex, WaitGroup and Cond since Go 1.20; runtime/sema.go and package sync of
// the target agree on them.
var waitClasses = map[string]waitClass{
	"chan receive":        {how: channels, op: sample.Receive},
	"chan send":           {how: channels, op: sample.Send},
	"select":              {how: channels},
	"sync.Mutex.Lock":     {how: semaphore, kind: sample.Mutex, back: 4},
	"sync.RWMutex.RLock":  {how: semaphore, kind: sample.RWMutex, back: 12},
	"sync.RWMutex.Lock":   {how: semaphore, kind: sample.RWMutex, back: 8},
	"sync.WaitGroup.Wait": {how: semaphore, kind: sample.WaitGroup, back: 8},
	"semacquire":          {how: semaphore, kind: sample.Semaphore},
	"sync.Cond.Wait":      {how: condition, kind: sample.Cond, back: condList},
}

// condList is where a sync.Cond has its list: behind its Locker.
const condList = 16

const fetchSize = 128 // more than a sudog or a channel

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

// enter takes the address of a semaphore or list for that of what it is a part of.
func (w *waiter) enter(addr uint64) {
	if addr > 4096 && addr < 1<<62 && addr%4 == 0 {
		w.found = append(w.found, sample.Object{Kind: w.class.kind, Addr: addr - w.class.back})
	}
}
