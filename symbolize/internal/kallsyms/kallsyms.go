// Package kallsyms resolves kernel addresses with /proc/kallsyms.
//
// The file is text that the kernel formats on each read: 5 MB and 0.1 s of CPU time for 120,000
// lines, nearly half of which (__pfx_*) name the padding in front of functions. It is read as a
// stream and kept as one block of names plus 16 bytes a function. It has no sizes, so an address
// past a region's last function would match that one: regions are bounded by _etext, _einittext
// and /proc/modules.
//
// An unprivileged reader gets the file with all addresses zero (kernel.kptr_restrict,
// Documentation/admin-guide/sysctl/kernel.rst): see Hidden.
package kallsyms

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"sort"
	"strconv"
)

// Kind says what a symbol belongs to.
type Kind uint8

const (
	Core Kind = iota
	Module
	BPF
)

const (
	maxSymbols = 4 << 20
	maxBlob    = 512 << 20
	maxLine    = 64 << 10
	maxModules = 1 << 16

	// reach bounds a symbol where nothing else does: outside of the known regions.
	reach = 64 << 10
	// reachBPF bounds a compiled BPF program: 1,000,000 instructions are allowed, but programs of
	// more than this are unheard of.
	reachBPF = 1 << 20
)

// Table is the functions of a kernel at one moment. It is immutable.
type Table struct {
	syms    []symbol
	blob    []byte // names, zero-terminated
	text    region
	init    region
	modules []region // ascending
	lines   int
	nonzero bool
}

type region struct{ lo, hi uint64 }

func (r region) has(a uint64) bool { return a >= r.lo && a < r.hi }

type symbol struct {
	addr uint64
	name uint32 // place in the blob
	kind Kind
	rank uint8 // of two names for one address, the better has the larger rank
	pfx  bool  // padding in front of the function of that name
}

// Read parses kallsyms and, if not nil, /proc/modules. Lines that it does not understand are
// skipped; an error is one of reading.
func Read(syms, modules io.Reader) (*Table, error) {
	t := &Table{}
	if err := lines(syms, t.add); err != nil {
		return nil, err
	}
	if modules != nil {
		if err := lines(modules, t.addModule); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(t.modules, func(a, b region) int { return cmp.Compare(a.lo, b.lo) })
	t.sort()
	return t, nil
}

// lines calls fn with every line; overlong ones are left out.
func lines(r io.Reader, fn func([]byte)) error {
	br := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := br.ReadSlice('\n')
		long := false
		for errors.Is(err, bufio.ErrBufferFull) {
			long = true
			_, err = br.ReadSlice('\n')
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) > 0 && !long {
			fn(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// add takes one line, "address type name" with "\t[module]" behind names of modules.
func (t *Table) add(line []byte) {
	hex, rest, _ := bytes.Cut(line, []byte(" "))
	addr, ok := parseHex(hex)
	if !ok || len(rest) < 3 || rest[1] != ' ' {
		return
	}
	typ, name := rest[0], rest[2:]
	name, mod, _ := bytes.Cut(name, []byte("\t"))
	t.lines++
	t.nonzero = t.nonzero || addr != 0
	t.mark(addr, string(name))
	if typ|0x20 != 't' && typ|0x20 != 'w' || addr == 0 || border(name) {
		return
	}
	s := symbol{addr: addr, name: uint32(len(t.blob)), rank: rank(typ, name)}
	name, s.pfx = bytes.CutPrefix(name, []byte("__pfx_"))
	switch {
	case len(mod) == 0:
	case string(mod) == "[bpf]":
		s.kind = BPF
	default:
		s.kind = Module
	}
	if len(name) == 0 || bytes.IndexByte(rest, 0) >= 0 || t.padded(name) {
		return
	}
	if len(t.syms) >= maxSymbols || len(t.blob) >= maxBlob {
		return
	}
	t.syms = append(t.syms, s)
	t.blob = append(t.blob, name...)
	if s.kind == Module {
		t.blob = append(append(t.blob, ' '), mod...)
	}
	t.blob = append(t.blob, 0)
}

// padded reports whether the symbol before is the padding of the function of that name, which
// then stands for both.
func (t *Table) padded(name []byte) bool {
	if len(t.syms) == 0 || !t.syms[len(t.syms)-1].pfx {
		return false
	}
	last, _, _ := bytes.Cut(t.nameBytes(t.syms[len(t.syms)-1]), []byte(" ")) // without the module
	return bytes.Equal(last, name)
}

// mark notes the borders of the kernel's own text (include/asm-generic/sections.h).
func (t *Table) mark(addr uint64, name string) {
	switch name {
	case "_stext":
		t.text.lo = addr
	case "_etext":
		t.text.hi = addr
	case "_sinittext":
		t.init.lo = addr
	case "_einittext":
		t.init.hi = addr
	}
}

// border reports whether a name marks the start or the end of a section of text and not a
// function: the function that starts there is meant.
func border(name []byte) bool {
	switch string(name) {
	case "_text", "_stext", "_etext", "_sinittext", "_einittext", "_end":
		return true
	}
	return bytes.HasSuffix(name, []byte("_text_start")) || bytes.HasSuffix(name, []byte("_text_end"))
}

// rank prefers global names to local ones, and all to the copies of functions for the time
// before relocation.
func rank(typ byte, name []byte) uint8 {
	switch {
	case bytes.HasPrefix(name, []byte("__pi_")):
		return 0
	case typ == 'T':
		return 2
	}
	return 1
}

// parseHex is the hot loop: 16 digits a line.
func parseHex(b []byte) (v uint64, ok bool) {
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}

// addModule takes one line of /proc/modules: name, size, uses, users, state, address. Since
// Linux 6.4 the size covers data as well, so that the range may be too long.
func (t *Table) addModule(line []byte) {
	f := bytes.Fields(line)
	if len(f) < 6 || len(t.modules) >= maxModules {
		return
	}
	size, err := strconv.ParseUint(string(f[1]), 10, 63)
	hex, isHex := bytes.CutPrefix(f[5], []byte("0x"))
	addr, ok := parseHex(hex)
	if err == nil && isHex && ok && addr != 0 && addr+size > addr {
		t.modules = append(t.modules, region{addr, addr + size})
	}
}

// sort orders by address and keeps one name an address, of equals the last.
func (t *Table) sort() {
	slices.SortStableFunc(t.syms, func(a, b symbol) int { return cmp.Compare(a.addr, b.addr) })
	kept := t.syms[:0]
	for _, s := range t.syms {
		switch last := len(kept) - 1; {
		case last < 0 || kept[last].addr != s.addr:
			kept = append(kept, s)
		case s.rank >= kept[last].rank:
			kept[last] = s
		}
	}
	t.syms = slices.Clip(kept)
}

func (t *Table) nameBytes(s symbol) []byte {
	b := t.blob[s.name:]
	return b[:bytes.IndexByte(b, 0)]
}

// Hidden reports whether the kernel withheld the addresses from us.
func (t *Table) Hidden() bool { return !t.nonzero }

// Len returns the number of functions.
func (t *Table) Len() int { return len(t.syms) }

// Start returns the lowest address of a function: of the kernel's text or, on arm64, of its
// modules, which lie below. It is 0 when there are none.
func (t *Table) Start() uint64 {
	if len(t.syms) == 0 {
		return t.text.lo
	}
	if t.text.lo == 0 {
		return t.syms[0].addr
	}
	return min(t.text.lo, t.syms[0].addr)
}

// Lookup returns the function at an address: its name, with " [module]" behind it for those of
// modules.
func (t *Table) Lookup(pc uint64) (name string, kind Kind, ok bool) {
	i := sort.Search(len(t.syms), func(i int) bool { return t.syms[i].addr > pc }) - 1
	if i < 0 || pc >= t.limit(t.syms[i]) {
		return "", 0, false
	}
	return string(t.nameBytes(t.syms[i])), t.syms[i].kind, true
}

// limit returns the address that a symbol ends at for sure.
func (t *Table) limit(s symbol) uint64 {
	switch {
	case s.kind == BPF:
		return saturate(s.addr, reachBPF)
	case t.text.has(s.addr):
		return t.text.hi
	case t.init.has(s.addr):
		return t.init.hi
	}
	i := sort.Search(len(t.modules), func(i int) bool { return t.modules[i].lo > s.addr }) - 1
	if s.kind == Module && i >= 0 && t.modules[i].has(s.addr) {
		return t.modules[i].hi
	}
	return saturate(s.addr, reach)
}

func saturate(a, n uint64) uint64 {
	if a+n < a {
		return 1<<64 - 1
	}
	return a + n
}
