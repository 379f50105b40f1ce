package goroutine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

const (
	groupSize = 16 // chunks that are read together at most

	maxEntries = maxAllglen // entries of the table that are read, dead ones included
	maxAllglen = 10_000_000 // no program has more
)

// MaxWatched is about how many goroutines are watched at a time; it bounds the slots that are unfolded.
const MaxWatched = 1 << 20

// memory is the target's goroutine table: where its g's are, in chunks, and their bytes as they were read last.
type memory struct {
	proc.Gatherer
	clock *clock
	stats *Stats
	l     *goruntime.Layout
	v     *goruntime.Vars
	f     fields

	chunks    []*chunk
	windows   map[uint64]*chunk // by address >> windowBits
	n         int               // entries of allgs taken up
	slots     int               // of chunks that are not folded,
	most      int               // and at most
	unwatched int64             // goroutines that live where there was no room to unfold
	settled   bool              // all goroutines that there were at first were taken up
	cold      int               // chunks that were never read
	offset    int64             // of the target's CLOCK_MONOTONIC from the kernel's, ns

	asked  bool  // allglen was read in this tick
	read   int64 // when it was read last,
	before int64 // and the time before that
	image  []byte
	pieces []proc.Piece
	length [8]byte
	anchor uint64 // an address that nothing is at in the memory of another program; 0: none is known
	held   [1]byte
	phase  [4]byte
	sweeps sweeps
}

func newMemory(mem proc.Gatherer, l *goruntime.Layout, v *goruntime.Vars, c *clock) (*memory, error) {
	f, ok := newFields(l)
	if !ok {
		return nil, fmt.Errorf("the layout of %s lacks fields: %w", l.Version, errors.ErrUnsupported)
	}
	return &memory{Gatherer: mem, clock: c, l: l, v: v, f: f, most: MaxWatched, windows: make(map[uint64]*chunk)}, nil
}

// stride is the distance of two windows in a chunk's image: the last g of a window may reach into
// the next.
func (m *memory) stride() int { return windowSize + m.f.size }

// g is what was read of a g, by its offset in its chunk's image: valid until the next group of chunks is read.
func (m *memory) g(c *chunk, off int) []byte { return m.image[c.image+off:][:m.f.size] }

// entries is how many entries the table had when its length was read last, as far as they are read.
func (m *memory) entries() int { return int(min(word(m.length[:], 0), uint64(maxEntries))) }

// kernelTime is a time that the target took of its CLOCK_MONOTONIC as one of the kernel's; 0 is none.
func (m *memory) kernelTime(ns int64) int64 {
	if ns == 0 {
		return 0
	}
	return ns - m.offset
}

// errGone says that the table cannot be read any more. The caller finds out whether the process
// ended or executed another program.
var errGone = errors.New("the goroutine table is gone")

// readGroup reads a group's windows into the image, and with the first group of a tick the number of
// goroutines. A system call costs as much as a few g's, so groups are large.
func (m *memory) readGroup(group []*chunk) error {
	m.pieces = m.pieces[:0]
	if size := len(group) * chunkWindows * m.stride(); size > len(m.image) {
		m.image = make([]byte, size) // most programs have few g's: half a megabyte for each of twenty is much
	}
	if !m.asked {
		m.pieces = m.sweeps.appendTo(m.pieces, m.v)
	}
	lead := len(m.pieces)
	for k, c := range group {
		c.image = k * chunkWindows * m.stride()
		for i := range c.n {
			w := c.windows[i]
			off := c.image + i*m.stride() + int(w.lo&(windowSize-1))
			m.pieces = append(m.pieces, proc.Piece{Addr: w.lo, Buf: m.image[off : off+int(w.hi-w.lo)]})
		}
	}
	n := len(m.pieces)
	if !m.asked {
		m.pieces = append(m.pieces, proc.Piece{Addr: m.v.Allglen, Buf: m.length[:]})
		if m.v.GCPhase != 0 {
			m.pieces = append(m.pieces, proc.Piece{Addr: m.v.GCPhase, Buf: m.phase[:]})
		}
		if m.anchor != 0 {
			m.pieces = append(m.pieces, proc.Piece{Addr: m.anchor, Buf: m.held[:]})
		}
	}
	m.clock.from = m.clock.now()
	if err := m.Gather(m.pieces); err != nil {
		return err
	}
	m.note(group, m.pieces[lead:n])
	if m.asked {
		return nil
	}
	m.sweeps.take(m.pieces[:lead])
	if other := m.anchor != 0 && !m.pieces[len(m.pieces)-1].OK; other || !m.pieces[n].OK || word(m.length[:], 0) < uint64(m.n) {
		return errGone
	}
	m.asked, m.before, m.read = true, m.read, m.clock.now()
	m.countPhase()
	return nil
}

// note enters which windows of a group could be read.
func (m *memory) note(group []*chunk, ps []proc.Piece) {
	for _, c := range group {
		for i := range c.n {
			c.windows[i].ok = ps[i].OK
		}
		ps = ps[c.n:]
	}
}

// quiet says whether there is nothing to know while nothing runs: a collection that goes on is counted, and new goroutines are taken up.
func (m *memory) quiet() bool {
	return m.read != 0 && m.entries() <= m.n && binary.LittleEndian.Uint32(m.phase[:]) == 0
}

// same enters that nothing has run until a moment, and says whether that is all there is to know.
func (m *memory) same(at int64) bool {
	if !m.quiet() {
		return false
	}
	m.before, m.read = m.read, at
	return true
}

// countPhase enters that a collection goes on, for the time since the tick before.
func (m *memory) countPhase() {
	if m.before != 0 && binary.LittleEndian.Uint32(m.phase[:]) != 0 {
		m.stats.GC.Mark += time.Duration(m.read - m.before)
	}
}

// readSweeps reads how far the collector is now.
func (m *memory) readSweeps() {
	m.pieces = m.sweeps.appendTo(m.pieces[:0], m.v)
	if m.Gather(m.pieces) != nil {
		m.pieces = m.pieces[:0]
	}
	m.sweeps.take(m.pieces)
}

// reasons reads the target's own words for wait reasons, or takes those of its version.
func (m *memory) reasons() func(uint8) string {
	own := make([]string, m.v.NWaitReasons)
	head := make([]byte, 16*len(own))
	if n, _ := m.ReadAt(head, int64(m.v.WaitReasons)); m.v.WaitReasons == 0 || n < len(head) {
		return m.l.WaitReason
	}
	for i := range own {
		addr, n := word(head, 16*i), word(head, 16*i+8)
		if n > 64 || addr > 1<<62 {
			return m.l.WaitReason
		}
		text := make([]byte, n)
		if k, _ := m.ReadAt(text, int64(addr)); k < len(text) {
			return m.l.WaitReason
		}
		own[i] = string(text)
	}
	return func(n uint8) string {
		if int(n) < len(own) {
			return own[n]
		}
		return m.l.WaitReason(n)
	}
}
