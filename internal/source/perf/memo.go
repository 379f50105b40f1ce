package perf

import (
	"sync"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// memo is what all readers of a target remember together: a thread that is sampled on one CPU is soon on another.
// It is locked for the moment of a look-up only, never while memory is read.
type memo struct {
	mu    sync.Mutex
	known map[uint64]struct{} // addresses that are g structs
	ms    map[uint32]uint64   // m of each thread that ran a g
	last  map[uint64]reading  // by address of the g
}

// reading is what was found in a g at some time.
type reading struct {
	goid, labels uint64
	created      uint64 // as sample.Sample.Created
	at, read     int64  // when; when the set was read
	since        int64  // when this was found first; all readings from then on found the same
	set          []sample.Label
}

const maxKnown = 1 << 16 // entries of each map

func newMemo() *memo {
	return &memo{known: make(map[uint64]struct{}), ms: make(map[uint32]uint64), last: make(map[uint64]reading)}
}

// isG says whether an address is known to be that of a g.
func (m *memo) isG(g uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.known[g]
	return ok
}

// believe notes that an address is that of a g.
func (m *memo) believe(g uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	put(m.known, g, struct{}{})
}

// m is the m of a thread, 0 if it has not been seen to run a g.
func (m *memo) m(tid uint32) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ms[tid]
}

// learn notes the m of a thread.
func (m *memo) learn(tid uint32, addr uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	put(m.ms, tid, addr)
}

// reading is the last one of a g.
func (m *memo) reading(g uint64) (reading, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.last[g]
	return r, ok
}

// keep notes a reading of a g, unless another reader has a later one.
func (m *memo) keep(g uint64, r reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last[g].at <= r.at {
		put(m.last, g, r)
	}
}

// forget drops the reading of a g.
func (m *memo) forget(g uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.last, g)
}

// put bounds a map: when it is full it begins anew.
func put[K comparable, V any](m map[K]V, k K, v V) {
	if len(m) >= maxKnown {
		clear(m)
	}
	m[k] = v
}
