package fold

import (
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// lostCaller returns the return address that the frame-pointer walk skipped, if it did.
func (b *Builder) lostCaller(leaf *site, l *sample.Leaf) (uint64, bool) {
	if leaf.kind == symbolize.JIT {
		return b.lostByJIT(l)
	}
	if !leaf.inGo || leaf.role == duff {
		return 0, false
	}
	var ra uint64
	switch b.arch {
	case "amd64":
		ra = lostAMD64(leaf.delta, l)
	case "arm64":
		ra = lostARM64(leaf.delta, l)
	}
	return ra, ra > 0 && b.symbols.InGo(ra-1)
}

// lostByJIT returns the return address at the stack pointer of generated code that has no frame yet, or none at all.
// It is one if the frame pointer is where the function that it returns to has saved its caller's.
func (b *Builder) lostByJIT(l *sample.Leaf) (uint64, bool) {
	if b.arch != "amd64" || !l.Valid {
		return 0, false
	}
	for i, ra := range l.Words {
		if delta, ok := b.symbols.SPDelta(ra); ok && delta > 0 && l.BP == l.SP+8*uint64(i)+uint64(delta) {
			return ra, true
		}
	}
	return 0, false
}

// isData says whether the frame pointer at an interruption is data of the leaf's: it points into the leaf's own
// frame, but not to where its caller's is saved. (duffzero is called with a frame made by hand below the stack pointer.)
func (b *Builder) isData(leaf *site, l *sample.Leaf) bool {
	own := l.SP + uint64(leaf.delta) - 8
	byHand := l.BP == l.SP-8 || l.BP == l.SP-16
	return b.arch == "amd64" && l.Valid && leaf.inGo && leaf.delta > 8 && l.BP < own && !byHand
}

func lostAMD64(delta int32, l *sample.Leaf) uint64 {
	switch {
	case !l.Valid:
		return 0
	case delta == 0:
		return l.Words[0]
	case delta == 8 && l.BP != l.SP:
		return l.Words[1]
	}
	return 0
}

func lostARM64(delta int32, l *sample.Leaf) uint64 {
	switch {
	case delta == 0:
		return l.LR
	case l.Valid && delta > 0 && l.BP != l.SP-8:
		return l.Words[0]
	}
	return 0
}
