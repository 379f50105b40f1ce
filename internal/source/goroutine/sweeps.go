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

// appendTo appends the pieces that take takes.
func (w *sweeps) appendTo(ps []proc.Piece, v *goruntime.Vars) []proc.Piece {
	if v.SweepGen == 0 || w.wrong {
		return ps
	}
	ps = append(ps, proc.Piece{Addr: v.SweepGen, Buf: w.gen[:]})
	if v.GCPhase != 0 {
		ps = append(ps, proc.Piece{Addr: v.GCPhase, Buf: w.phase[:]})
	}
	return ps
}

// take takes what appendTo's pieces have read.
func (w *sweeps) take(ps []proc.Piece) {
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
