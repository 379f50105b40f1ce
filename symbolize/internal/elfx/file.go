// Package elfx is a view of a 64-bit little-endian ELF file that is read by position and never
// trusted.
//
// debug/elf does not fit for three reasons. It refuses a whole file when one section header is
// bad, but a program runs without section headers, and stripped or packed ones have none. It
// does not apply relocations, without which half of the pointers in a position-independent
// binary are zero. And it reads tables into memory whole, which at 80 MB of binary matters.
//
// Files are read with ReadAt, never mapped: whoever truncates a mapped file kills its readers
// with SIGBUS. Every size and offset in the file is a claim: memory is allocated only as far as
// there is data, and all sums are checked.
package elfx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ErrFormat is wrapped by all errors about the content of a file.
var ErrFormat = errors.New("not a usable 64-bit little-endian elf file")

var le = binary.LittleEndian

// Machines that we know by number (e_machine).
const (
	AMD64 = 62
	ARM64 = 183
)

// Program header types and flags, section types (elf(5)).
const (
	etExec = 2 // e_type

	ptLoad    = 1
	ptDynamic = 2
	ptNote    = 4

	flagX = 1
	flagW = 2

	shtSymtab = 2
	shtNote   = 7
	shtNobits = 8
	shtDynsym = 11
)

const (
	maxProgs    = 4096
	maxSections = 1 << 16
	maxNames    = 4 << 20 // bytes of the section name table
)

// Segment is a part of the file that is loaded into memory.
type Segment struct {
	Vaddr, Off, Filesz, Memsz uint64
	Exec, Write               bool
}

// Section is a section header.
type Section struct {
	Name                     string
	Type                     uint32
	Addr, Off, Size, Entsize uint64
	Link                     uint32
}

// File is an open ELF file. It may be used from several goroutines if its reader may.
type File struct {
	r        io.ReaderAt
	Machine  uint16
	Fixed    bool // loaded where it was linked for (ET_EXEC)
	Entry    uint64
	Loads    []Segment
	Sections []Section // empty when the file has none, or none that can be read

	dynamic, notes []Segment
	rela           Segment // only Off and Filesz
}

// New reads the headers of an ELF file. The reader must stay usable as long as the File is.
func New(r io.ReaderAt) (*File, error) {
	var h [64]byte
	if n, err := r.ReadAt(h[:], 0); n < len(h) {
		return nil, fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	if !bytes.HasPrefix(h[:], []byte("\x7fELF\x02\x01\x01")) {
		return nil, fmt.Errorf("%w: magic % x", ErrFormat, h[:7])
	}
	f := &File{r: r, Machine: le.Uint16(h[18:]), Fixed: le.Uint16(h[16:]) == etExec, Entry: le.Uint64(h[24:])}
	if err := f.progs(le.Uint64(h[32:]), le.Uint16(h[54:]), le.Uint16(h[56:])); err != nil {
		return nil, err
	}
	f.sections(le.Uint64(h[40:]), le.Uint16(h[58:]), uint64(le.Uint16(h[60:])), uint32(le.Uint16(h[62:])))
	f.findRela()
	return f, nil
}

func (f *File) progs(off uint64, entsize, num uint16) error {
	if entsize != 56 || num == 0 || num > maxProgs {
		return fmt.Errorf("%w: %d program headers of %d bytes", ErrFormat, num, entsize)
	}
	b := f.Bytes(off, 56*uint64(num))
	if len(b) < 56*int(num) {
		return fmt.Errorf("%w: truncated program headers", ErrFormat)
	}
	for ; len(b) >= 56; b = b[56:] {
		flags := le.Uint32(b[4:])
		s := Segment{Off: le.Uint64(b[8:]), Vaddr: le.Uint64(b[16:]), Filesz: le.Uint64(b[32:]), Memsz: le.Uint64(b[40:]),
			Exec: flags&flagX != 0, Write: flags&flagW != 0}
		if s.Vaddr+s.Filesz < s.Vaddr || s.Off+s.Filesz < s.Off || s.Off+s.Filesz > math.MaxInt64 {
			continue
		}
		switch le.Uint32(b) {
		case ptLoad:
			f.Loads = append(f.Loads, s)
		case ptDynamic:
			f.dynamic = append(f.dynamic, s)
		case ptNote:
			f.notes = append(f.notes, s)
		}
	}
	return nil
}

// sections reads the section headers. A program runs without them, so an error here only means
// that there are none.
func (f *File) sections(off uint64, entsize uint16, num uint64, names uint32) {
	if off == 0 || entsize != 64 {
		return
	}
	if first := f.Bytes(off, 64); len(first) == 64 { // numbers too big for the header are in section 0
		if num == 0 {
			num = le.Uint64(first[32:])
		}
		if names == 0xffff {
			names = le.Uint32(first[40:])
		}
	}
	if num > maxSections {
		return
	}
	b := f.Bytes(off, 64*num)
	if uint64(len(b)) < 64*num || uint64(names) >= num {
		return
	}
	header := func(i uint32) []byte { return b[64*int(i):] }
	var strs []byte
	if h := header(names); le.Uint32(h[4:]) != shtNobits {
		strs = f.Bytes(le.Uint64(h[24:]), min(le.Uint64(h[32:]), maxNames))
	}
	for i := range uint32(num) {
		h := header(i)
		f.Sections = append(f.Sections, Section{
			Name: cstr(strs, le.Uint32(h)), Type: le.Uint32(h[4:]),
			Addr: le.Uint64(h[16:]), Off: le.Uint64(h[24:]), Size: le.Uint64(h[32:]),
			Link: le.Uint32(h[40:]), Entsize: le.Uint64(h[56:]),
		})
	}
}

func cstr(b []byte, off uint32) string {
	if uint64(off) >= uint64(len(b)) {
		return ""
	}
	s, _, _ := bytes.Cut(b[off:], []byte{0})
	return string(s)
}

// Section returns the first section of that name which has content in the file.
func (f *File) Section(name string) (Section, bool) {
	for _, s := range f.Sections {
		if s.Name == name && s.Type != shtNobits {
			return s, true
		}
	}
	return Section{}, false
}

// On returns the file as another reader of the same content reads it.
func (f *File) On(r io.ReaderAt) *File {
	g := *f
	g.r = r
	return &g
}

// Reader returns the reader below.
func (f *File) Reader() io.ReaderAt { return f.r }

// Offset returns the place in the file of a link-time address, and how many bytes of the file
// follow in the same segment.
func (f *File) Offset(addr uint64) (off, avail uint64, ok bool) {
	for _, s := range f.Loads {
		if addr >= s.Vaddr && addr-s.Vaddr < s.Filesz {
			d := addr - s.Vaddr
			return s.Off + d, s.Filesz - d, true
		}
	}
	return 0, 0, false
}

// Load returns the segment that holds the given place of the file. pclntab and code lie in
// segments that are whole pages apart at least, so the first hit is the only one, except that
// the kernel maps whole pages: a place shortly outside all segments belongs to the nearest page.
func (f *File) Load(off uint64, exec Access) (Segment, bool) {
	const page = 1<<16 - 1 // the largest page size of the supported machines
	for _, slack := range [2]uint64{0, page} {
		for _, s := range f.Loads {
			if exec == Exec && !s.Exec {
				continue
			}
			lo := s.Off &^ slack
			if off >= lo && off-lo < s.Filesz+(s.Off-lo) {
				return s, true
			}
		}
	}
	return Segment{}, false
}

// Access says what a segment must allow.
type Access uint8

const (
	Any Access = iota
	Exec
)

// Bytes reads n bytes of the file, or as many as there are.
func (f *File) Bytes(off, n uint64) []byte {
	const step = 1 << 20
	if off > math.MaxInt64 || n > math.MaxInt64-off {
		return nil
	}
	var b []byte
	for uint64(len(b)) < n {
		want := int(min(n-uint64(len(b)), max(step, uint64(len(b)))))
		at := len(b)
		b = append(b, make([]byte, want)...)
		k, _ := f.r.ReadAt(b[at:], int64(off)+int64(at))
		if k < want {
			return b[:at+k]
		}
	}
	return b
}

// String reads the zero-terminated string at a place of the file, at most limit bytes of it.
func (f *File) String(off uint64, limit int) string {
	var s []byte
	for len(s) < limit {
		b := f.Bytes(off+uint64(len(s)), uint64(min(256, limit-len(s))))
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return string(append(s, b[:i]...))
		}
		if s = append(s, b...); len(b) < 256 {
			break
		}
	}
	return string(s)
}
