// Package pclntab reads the table that every Go binary carries for its own tracebacks: from a
// program counter to functions, files and lines, inlined calls included. Linkers cannot strip
// it, so it is there when DWARF and symbols are gone.
//
// The layout follows from the magic number at its start, never from a Go version: 0xfffffff0 is
// that of Go 1.18 and 1.19, 0xfffffff1 that of 1.20 and later. (runtime/symtab.go,
// cmd/link/internal/ld/pcln.go and internal/abi/symtab.go are the source.) What the table refers
// to but does not contain, the start of the text and the inline trees, is found through the
// moduledata, which is found by its content. So is the word of it that says where the inline trees
// are: it was the 38th up to Go 1.19, the 40th up to 1.26, and is the 43rd in 1.27.
package pclntab

import (
	"encoding/binary"
	"errors"
	"io"
	"unique"
)

var (
	// ErrNotGo says that a file holds no Go code.
	ErrNotGo = errors.New("not a Go binary")
	// ErrFormat is wrapped when a file is a Go binary whose tables we cannot read: too old, too
	// new, or damaged.
	ErrFormat = errors.New("unreadable pclntab")
)

var le = binary.LittleEndian

// Table is an open pclntab. It keeps a cache and is for one goroutine at a time.
type Table struct {
	p           *pages
	quantum     uint32
	lay         layout
	text, etext uint64

	names, cus, files, pcs, funcs, gofunc span

	functab string // nfunc+1 pairs of entry and place in funcs, both relative
	nfunc   int
	one     unique.Handle[string] // keeps functab the one that all have who read the same

	strings map[uint64]string // interned, by place in the file
	held    int               // bytes of them
	decoded int64             // bytes of tables
	wrapper uint8             // the funcID of wrappers, 0 when unknown
	learned bool
}

// layout is what differs between the two formats.
type layout struct {
	hdr       uint64 // size of the fixed part of _func
	startLine bool   // _func and inlinedCall have one
	inlSize   uint64 // size of an inlinedCall
	inlFuncID int    // offsets within it
	inlName   int
	inlParent int
	inlStart  int
}

var (
	layout118 = layout{hdr: 40, inlSize: 20, inlFuncID: 2, inlName: 12, inlParent: 16}
	layout120 = layout{hdr: 44, startLine: true, inlSize: 16, inlFuncID: 0, inlName: 4, inlParent: 8, inlStart: 12}
)

// On returns the table as another reader of the same content reads it. It may be called while t is used.
func (t *Table) On(r io.ReaderAt) *Table {
	return &Table{p: newPages(r), quantum: t.quantum, lay: t.lay, text: t.text, etext: t.etext, names: t.names, cus: t.cus, files: t.files,
		pcs: t.pcs, funcs: t.funcs, gofunc: t.gofunc, functab: t.functab, nfunc: t.nfunc, one: t.one, strings: map[uint64]string{}}
}

// Drop lets go of what is cached of the file: it is read again where it is needed.
func (t *Table) Drop() { t.p.drop() }

// Text returns the range of Go code at link time.
func (t *Table) Text() (lo, hi uint64) { return t.text, t.etext }

// Len returns the number of functions.
func (t *Table) Len() int { return t.nfunc }

// Range returns where function i lies at link time. It includes the padding after its code.
func (t *Table) Range(i int) (lo, hi uint64) {
	return t.text + uint64(t.entry(i)), t.text + uint64(t.entry(i+1))
}

func (t *Table) entry(i int) uint32 { return wordOf(t.functab, 8*i) }

// place returns where the _func of function i begins in the table of functions.
func (t *Table) place(i int) uint64 { return uint64(wordOf(t.functab, 8*i+4)) }

func wordOf(s string, at int) uint32 {
	s = s[at : at+4]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// fixed returns the fixed part of the _func of function i, nil when it is not in the file. It stays valid until the next read.
func (t *Table) fixed(i int) []byte {
	off, ok := t.funcs.at(t.place(i), t.lay.hdr)
	if !ok {
		return nil
	}
	return t.p.bytes(off, int(t.lay.hdr))
}

// Find returns the index of the function that covers a link-time address, or -1.
func (t *Table) Find(pc uint64) int {
	d := pc - t.text
	if pc < t.text || d > 1<<32-1 {
		return -1
	}
	off := uint32(d)
	if off < t.entry(0) || off >= t.entry(t.nfunc) {
		return -1
	}
	lo, hi := 0, t.nfunc
	for hi-lo > 1 {
		m := int(uint(lo+hi) >> 1)
		if t.entry(m) <= off {
			lo = m
		} else {
			hi = m
		}
	}
	if t.entry(lo) > off { // only in a table that is not sorted
		return -1
	}
	return lo
}

// fn is a decoded _func.
type fn struct {
	entry                                 uint32
	name, pcsp, pcfile, pcln, npcdata, cu uint32
	startLine                             int32
	funcID, nfuncdata                     uint8
	inlpc                                 uint32 // pcdata table of inline-tree indexes, 0 when there is none
	tree                                  span   // inline tree; its length is not stored, so it ends with the segment
}

// fn decodes function i.
func (t *Table) fn(i int, fn *fn) bool {
	b := t.fixed(i)
	if b == nil {
		return false
	}
	fn.entry = t.entry(i)
	fn.name, fn.pcsp = le.Uint32(b[4:]), le.Uint32(b[16:])
	fn.pcfile, fn.pcln, fn.npcdata, fn.cu = le.Uint32(b[20:]), le.Uint32(b[24:]), le.Uint32(b[28:]), le.Uint32(b[32:])
	if t.lay.startLine {
		fn.startLine = int32(le.Uint32(b[36:]))
	}
	fn.funcID, fn.nfuncdata = b[t.lay.hdr-4], b[t.lay.hdr-1]
	t.inlining(t.place(i), fn)
	return true
}

// Indexes of the inline tree's tables, the same in all versions (internal/abi:
// PCDATA_InlTreeIndex, FUNCDATA_InlTree).
const (
	pcdataInline   = 2
	funcdataInline = 3
)

// inlining finds the inline tree of a function.
func (t *Table) inlining(place uint64, fn *fn) {
	fn.inlpc, fn.tree = 0, span{}
	tree, ok := t.treeOf(place, fn.npcdata, fn.nfuncdata)
	if !ok {
		return
	}
	fn.inlpc, _ = t.word(place + t.lay.hdr + 4*pcdataInline)
	if uint64(tree) < t.gofunc.size {
		fn.tree = span{t.gofunc.off + uint64(tree), t.gofunc.size - uint64(tree)}
	}
}

// treeOf returns where the inline tree of the function at the place is, seen from go:func.*.
func (t *Table) treeOf(place uint64, npcdata uint32, nfuncdata uint8) (uint32, bool) {
	if npcdata <= pcdataInline || nfuncdata <= funcdataInline {
		return 0, false
	}
	tree, ok := t.word(place + t.lay.hdr + 4*(uint64(npcdata)+funcdataInline))
	return tree, ok && tree != 1<<32-1
}

// word reads a word of the table of functions.
func (t *Table) word(place uint64) (uint32, bool) {
	off, ok := t.funcs.at(place, 4)
	if !ok {
		return 0, false
	}
	b := t.p.bytes(off, 4)
	if b == nil {
		return 0, false
	}
	return le.Uint32(b), true
}
