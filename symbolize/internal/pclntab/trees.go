package pclntab

import "github.com/mayfly-profiler/mayfly/symbolize/internal/elfx"

// Where the inline trees are, go:func.*, stands in a word of moduledata that moves between
// releases. The trees themselves tell which: that a few dozen of them begin with a call whose name
// is a name of the table and whose place is in its function does not happen by chance.

const (
	firstTreeWord = 24 // of moduledata: what stands before it never moved
	maxTrees      = 64 // trees that are looked at
	maxTreeless   = 1 << 16
)

// tree is the place of a function's inline tree, seen from go:func.*, and the size of its code.
type tree struct{ at, size uint32 }

// findTrees returns the place of go:func.*, from the words of moduledata. It is empty when no word
// is proved to be the right one, or no function has inlined calls.
func (t *Table) findTrees(f *elfx.File, md []uint64) span {
	trees := t.someTrees()
	best, most := span{}, 0
	for _, addr := range md[firstTreeWord:] {
		off, avail, ok := f.Offset(addr)
		if !ok {
			continue
		}
		s, n := span{off, avail}, 0
		for _, tr := range trees {
			if t.isTree(s, tr) {
				n++
			}
		}
		if n > most {
			best, most = s, n
		}
	}
	if most*4 < len(trees)*3 {
		return span{}
	}
	return best
}

// someTrees returns the inline trees of functions all over the table.
func (t *Table) someTrees() (trees []tree) {
	step := max(1, t.nfunc/maxTreeless)
	for i := 0; i < t.nfunc && len(trees) < maxTrees; i += step {
		b := t.fixed(i)
		if b == nil {
			continue
		}
		if at, ok := t.treeOf(t.place(i), le.Uint32(b[28:]), b[t.lay.hdr-1]); ok {
			trees = append(trees, tree{at, t.entry(i+1) - t.entry(i)})
		}
	}
	return trees
}

// isTree says whether an inline tree of calls begins there.
func (t *Table) isTree(gofunc span, tr tree) bool {
	if uint64(tr.at) >= gofunc.size {
		return false
	}
	c, ok := t.call(span{gofunc.off + uint64(tr.at), gofunc.size - uint64(tr.at)}, 0)
	if !ok || c.name == 0 || c.parent > tr.size {
		return false
	}
	off, ok := t.names.at(uint64(c.name)-1, 2)
	if !ok {
		return false
	}
	b := t.p.bytes(off, 2)
	return b != nil && b[0] == 0 && b[1] != 0
}
