package goroutine

import (
	"encoding/binary"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// sweeps is how far the target's collector is, as it was read last.
type sweeps struct {
	gen, phase [goruntime.GraceSize]byte
	known      bool
	grace      goruntime.Grace // of what is read from now on

	last           uint32
	marking, ended bool // while gen was what it is: a mark phase was seen, and then none
	wrong          bool
}

// cover says whether a grace lasted still.
func (w *sweeps) cover(g goruntime.Grace) bool { return w.known && g.Covers(w.gen[:]) }

// appendSweeps appends the pieces that noteSweeps takes.
func (m *memory) appendSweeps(ps []proc.Piece) []proc.Piece {
	w := &m.sweeps
	if m.v.SweepGen == 0 || w.wrong {
		return ps
	}
	ps = append(ps, proc.Piece{Addr: m.v.SweepGen, Buf: w.gen[:]})
	if m.v.GCPhase != 0 {
		ps = append(ps, proc.Piece{Addr: m.v.GCPhase, Buf: w.phase[:]})
	}
	return ps
}

// noteSweeps takes what appendSweeps' pieces have read.
func (m *memory) noteSweeps(ps []proc.Piece) {
	w := &m.sweeps
	w.known = len(ps) > 0 && ps[0].OK
	switch {
	case !w.known:
		w.grace = goruntime.Grace{}
	case len(ps) < 2 || !ps[1].OK:
		w.grace = goruntime.NewGrace(w.gen[:], nil)
	default:
		w.grace = goruntime.NewGrace(w.gen[:], w.phase[:])
		w.check()
	}
}

// check finds out whether the counter counts: if a mark phase has ended and another one begun, while it stayed
// what it was, it is none. The counter is read before the phase.
func (w *sweeps) check() {
	gen := binary.LittleEndian.Uint32(w.gen[:])
	marking := binary.LittleEndian.Uint32(w.phase[:]) != 0
	switch {
	case gen != w.last:
		w.last, w.marking, w.ended = gen, marking, false
	case marking && w.ended:
		w.wrong, w.known, w.grace = true, false, goruntime.Grace{}
	case marking:
		w.marking = true
	default:
		w.ended = w.marking
	}
}

// readSweeps reads how far the collector is now.
func (m *memory) readSweeps() {
	m.pieces = m.appendSweeps(m.pieces[:0])
	if m.Gather(m.pieces) != nil {
		m.pieces = m.pieces[:0]
	}
	m.noteSweeps(m.pieces)
}
