package pclntab

import "iter"

// flagAsm marks functions written in assembly (internal/abi, FuncFlagAsm; Go 1.18).
const flagAsm = 1 << 2

// Framed iterates over the assembly functions that move the stack pointer, in the order of their addresses: their
// link-time range, and the pcsp value that most of their code has.
func (t *Table) Framed() iter.Seq2[[2]uint64, int32] {
	return func(yield func([2]uint64, int32) bool) {
		for i := range t.nfunc {
			b := t.fixed(i)
			if b == nil || b[t.lay.hdr-3]&flagAsm == 0 {
				continue
			}
			lo, hi := t.Range(i)
			delta := t.usual(le.Uint32(b[16:]))
			if delta > 0 && !yield([2]uint64{lo, hi}, delta) {
				return
			}
		}
	}
}

// usual returns the positive value that the pcsp table at off has for the most code, 0 if it has none.
func (t *Table) usual(off uint32) (best int32) {
	if off == 0 || uint64(off) >= t.pcs.size {
		return 0
	}
	const values = 64 // that are told apart: assembly has a few
	var sizes [values]struct {
		val  int32
		size uint64
	}
	start := t.pcs.off + uint64(off)
	c := cursor{p: t.p, pos: start, end: min(t.pcs.off+t.pcs.size, start+maxWork)}
	var most uint64
	for val, n, first := int32(-1), 0, true; ; first = false {
		dv, ok := c.uvarint()
		if !ok || dv == 0 && !first {
			return best
		}
		dpc, ok := c.uvarint()
		if !ok {
			return best
		}
		if val += int32(-(dv & 1) ^ (dv >> 1)); val <= 0 {
			continue
		}
		i := 0
		for i < n && sizes[i].val != val {
			i++
		}
		if i == values {
			continue
		}
		n = max(n, i+1)
		sizes[i].val = val
		if sizes[i].size += uint64(dpc); sizes[i].size > most {
			best, most = val, sizes[i].size
		}
	}
}
