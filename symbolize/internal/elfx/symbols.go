package elfx

import (
	"cmp"
	"slices"
	"sort"
)

const (
	symSize    = 24
	maxSymbols = 4 << 20
	maxName    = 64 << 10
	// maxUnsized is how far a symbol without a size reaches at most: hand-written assembly.
	maxUnsized = 64 << 10
	// maxBack is how many symbols are looked at, going down, for one that covers an address:
	// symbols nest only where assembly has inner labels.
	maxBack = 16
)

// Symbols is the function symbols of a file, ordered by address. Names stay in the file until
// asked for.
type Symbols struct {
	f     *File
	names Section
	syms  []symbol
}

// symbol is kept at 16 bytes: a large C++ library has a million.
type symbol struct {
	addr uint64
	size uint32 // size<<2 | rank
	name uint32
}

// Symbols reads the functions of .symtab, or of .dynsym in a stripped file. Those that skip
// accepts are left out. It returns nil when the file has neither table.
func (f *File) Symbols(skip func(addr uint64) bool) *Symbols {
	for _, kind := range [2]uint32{shtSymtab, shtDynsym} {
		for _, sec := range f.Sections {
			if sec.Type != kind || sec.Entsize != symSize || uint64(sec.Link) >= uint64(len(f.Sections)) {
				continue
			}
			s := &Symbols{f: f, names: f.Sections[sec.Link]}
			s.read(sec, skip)
			if len(s.syms) > 0 {
				s.sort()
				return s
			}
		}
	}
	return nil
}

func (s *Symbols) read(sec Section, skip func(uint64) bool) {
	const block = symSize * 2730 // about 64 KB
	for off := uint64(0); off < sec.Size && len(s.syms) < maxSymbols; off += block {
		want := min(block, sec.Size-off)
		b := s.f.Bytes(sec.Off+off, want)
		ends := uint64(len(b)) < want
		for ; len(b) >= symSize; b = b[symSize:] {
			if sym, ok := s.f.symbol(b); ok && (skip == nil || !skip(sym.addr)) {
				s.syms = append(s.syms, sym)
			}
		}
		if ends {
			return // the section claims more than the file has
		}
	}
}

// symbol decodes one entry if it is a defined function. Its rank orders symbols of one address:
// the better name is the larger rank.
func (f *File) symbol(b []byte) (symbol, bool) {
	const (
		notype, fn, ifunc   = 0, 2, 10
		local, global, weak = 0, 1, 2
	)
	typ, bind := b[4]&0xf, b[4]>>4
	switch {
	case le.Uint16(b[6:]) == 0: // undefined
		return symbol{}, false
	case typ != fn && typ != ifunc && (typ != notype || bind == local):
		return symbol{}, false
	}
	addr := le.Uint64(b[8:])
	if !f.executable(addr) {
		return symbol{}, false
	}
	rank := uint32(0)
	switch {
	case typ == notype:
	case bind == global:
		rank = 3
	case bind == weak:
		rank = 2
	default:
		rank = 1
	}
	size := uint32(min(le.Uint64(b[16:]), 1<<30-1))
	return symbol{addr, size<<2 | rank, le.Uint32(b)}, true
}

func (f *File) executable(addr uint64) bool {
	for _, s := range f.Loads {
		if s.Exec && addr >= s.Vaddr && addr-s.Vaddr < s.Memsz {
			return true
		}
	}
	return false
}

// sort orders by address and keeps the best symbol of each address.
func (s *Symbols) sort() {
	slices.SortStableFunc(s.syms, func(a, b symbol) int {
		return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(b.size&3, a.size&3), cmp.Compare(b.size, a.size))
	})
	s.syms = slices.CompactFunc(s.syms, func(a, b symbol) bool { return a.addr == b.addr })
}

// Lookup returns the name and the address of the function that covers a link-time address.
func (s *Symbols) Lookup(addr uint64) (name string, start uint64, ok bool) {
	if s == nil {
		return "", 0, false
	}
	i := sort.Search(len(s.syms), func(i int) bool { return s.syms[i].addr > addr })
	for k := i - 1; k >= 0 && k >= i-maxBack; k-- {
		sym := s.syms[k]
		size := uint64(sym.size >> 2)
		if size == 0 && k == i-1 {
			size = maxUnsized
		}
		if addr-sym.addr < size {
			name = s.name(sym)
			return name, sym.addr, name != ""
		}
	}
	return "", 0, false
}

func (s *Symbols) name(sym symbol) string {
	if uint64(sym.name) >= s.names.Size {
		return ""
	}
	return s.f.String(s.names.Off+uint64(sym.name), int(min(s.names.Size-uint64(sym.name), maxName)))
}
