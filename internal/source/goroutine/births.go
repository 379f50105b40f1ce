package goroutine

import "github.com/mayfly-profiler/mayfly/internal/proc"

// Goroutine ids are handed out in the order of creation, to each P a batch of 16 at a time
// (runtime/proc.go, newproc1). So the next batch minus what the Ps have not used yet is the number
// of goroutines created so far, exactly.

const maxPs = 4096

// births says which ids were in use when the recording began.
type births struct {
	next   uint64      // the first id of the next batch
	cached [][2]uint64 // ids in the hands of Ps: [from, to)
}

// unused is the number of ids that Ps have at hand.
func (b *births) unused() (n uint64) {
	for _, c := range b.cached {
		n += c[1] - c[0]
	}
	return n
}

// fresh says whether an id was not in use yet.
func (b *births) fresh(goid uint64) bool {
	if goid > b.next {
		return true
	}
	for _, c := range b.cached {
		if goid >= c[0] && goid < c[1] {
			return true
		}
	}
	return false
}

// readBirths reads the counters. Where the Ps cannot be read only the batches count.
func (m *memory) readBirths() (b births) {
	if m.l.Sched.GoidGen < 0 {
		return b
	}
	b.next = m.word(m.v.Sched + uint64(m.l.Sched.GoidGen))
	if m.v.Allp == 0 || m.l.P.GoidCache < 0 || m.l.P.GoidCacheEnd < 0 {
		return b
	}
	all, n := m.word(m.v.Allp), m.word(m.v.Allp+8)
	for i := range min(n, maxPs) {
		p := m.word(all + 8*i)
		if p == 0 {
			continue
		}
		c := [2]uint64{m.word(p + uint64(m.l.P.GoidCache)), m.word(p + uint64(m.l.P.GoidCacheEnd))}
		if c[0] < c[1] && c[1]-c[0] <= 1<<10 {
			b.cached = append(b.cached, c)
		}
	}
	return b
}

// readProcs reads GOMAXPROCS, the length of allp; 0 where it cannot be read.
func (m *memory) readProcs() int {
	if m.v.Allp == 0 {
		return 0
	}
	if n := m.word(m.v.Allp + 8); n <= maxPs {
		return int(n)
	}
	return 0
}

// word reads one word, 0 where it cannot be read.
func (m *memory) word(addr uint64) uint64 {
	var b [8]byte
	m.pieces = append(m.pieces[:0], proc.Piece{Addr: addr, Buf: b[:]})
	if m.Gather(m.pieces) != nil || !m.pieces[0].OK {
		return 0
	}
	return word(b[:], 0)
}
