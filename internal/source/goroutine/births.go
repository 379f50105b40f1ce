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
func (s *scanner) readBirths() (b births) {
	if s.l.Sched.GoidGen < 0 {
		return b
	}
	b.next = s.word(s.v.Sched + uint64(s.l.Sched.GoidGen))
	if s.v.Allp == 0 || s.l.P.GoidCache < 0 || s.l.P.GoidCacheEnd < 0 {
		return b
	}
	all, n := s.word(s.v.Allp), s.word(s.v.Allp+8)
	for i := range min(n, maxPs) {
		p := s.word(all + 8*i)
		if p == 0 {
			continue
		}
		c := [2]uint64{s.word(p + uint64(s.l.P.GoidCache)), s.word(p + uint64(s.l.P.GoidCacheEnd))}
		if c[0] < c[1] && c[1]-c[0] <= 1<<10 {
			b.cached = append(b.cached, c)
		}
	}
	return b
}

// readProcs reads GOMAXPROCS, the length of allp; 0 where it cannot be read.
func (s *scanner) readProcs() int {
	if s.v.Allp == 0 {
		return 0
	}
	if n := s.word(s.v.Allp + 8); n <= maxPs {
		return int(n)
	}
	return 0
}

// word reads one word, 0 where it cannot be read.
func (s *scanner) word(addr uint64) uint64 {
	var b [8]byte
	s.pieces = append(s.pieces[:0], proc.Piece{Addr: addr, Buf: b[:]})
	if s.mem.Gather(s.pieces) != nil || !s.pieces[0].OK {
		return 0
	}
	return word(b[:], 0)
}
