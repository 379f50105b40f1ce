package pclntab

import (
	"bytes"
	"fmt"
	"io"

	"github.com/mayfly-profiler/mayfly/symbolize/internal/elfx"
)

// Magic numbers of pclntab (internal/abi/symtab.go and cmd/link, "PCLnTabMagic").
const (
	magic12  = 0xfffffffb
	magic116 = 0xfffffffa
	magic118 = 0xfffffff0 // Go 1.18 and 1.19
	magic120 = 0xfffffff1 // since Go 1.20
)

const (
	headerSize = 72
	wordsSize  = 64 // words of moduledata that we look at: it has 69 and more

	// maxScan bounds the bytes that are searched in one file: segments may be sparse and claim
	// terabytes.
	maxScan = 1 << 30
	// maxHeaders and maxModules bound how many candidates are examined. A Go tool holds the magic
	// as a constant several times; more than a few are an attack.
	maxHeaders = 16
	maxModules = 64
	maxFuncs   = 4 << 20
	maxFiles   = 4 << 20
)

// header is the pcHeader at the start of pclntab.
type header struct {
	magic   uint32
	quantum uint32 // 1 on amd64, 4 on arm64
	nfunc   uint64
	tables  [5]uint64 // offsets of funcnametab, cutab, filetab, pctab, pclntable
}

// parseHeader accepts the layouts of Go 1.18 and later.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerSize || b[4] != 0 || b[5] != 0 || (b[6] != 1 && b[6] != 4) || b[7] != 8 {
		return h, false
	}
	h = header{magic: le.Uint32(b), quantum: uint32(b[6]), nfunc: le.Uint64(b[8:])}
	if (h.magic != magic118 && h.magic != magic120) || h.nfunc == 0 || h.nfunc > maxFuncs || le.Uint64(b[16:]) > maxFiles {
		return h, false
	}
	prev := uint64(0)
	for i := range h.tables {
		h.tables[i] = le.Uint64(b[32+8*i:])
		if h.tables[i] < prev {
			return h, false
		}
		prev = h.tables[i]
	}
	return h, true
}

// finder looks for pclntab and for the moduledata that describes it.
type finder struct {
	f                *elfx.File
	headers, modules int
	scanned          uint64
}

// find returns the header and the words of moduledata.
func (d *finder) find() (h header, md []uint64, err error) {
	for _, name := range [2]string{".gopclntab", ".data.rel.ro.gopclntab"} {
		s, ok := d.f.Section(name)
		if !ok {
			continue
		}
		b := d.f.Bytes(s.Off, headerSize)
		if h, ok := parseHeader(b); ok {
			if md := d.moduledata(h, s.Addr); md != nil {
				return h, md, nil
			}
			return h, nil, fmt.Errorf("%w: no moduledata for the table in %s", ErrFormat, name)
		}
		return h, nil, unknown(b, name)
	}
	if !d.maybeGo() {
		return h, nil, ErrNotGo
	}
	// No section: a position-independent binary that a C linker wrote, or no section headers.
	for _, magic := range [2]byte{magic120 & 0xff, magic118 & 0xff} {
		if h, md := d.search([]byte{magic, 0xff, 0xff, 0xff, 0, 0}); md != nil {
			return h, md, nil
		}
	}
	return h, nil, ErrNotGo
}

// search tries every place that looks like the start of a table.
func (d *finder) search(magic []byte) (h header, md []uint64) {
	d.scan(magic, loaded, func(addr uint64) bool {
		cand, ok := parseHeader(d.at(addr, headerSize))
		if !ok || addr%8 != 0 {
			return true
		}
		d.headers++
		h, md = cand, d.moduledata(cand, addr)
		return md == nil && d.headers < maxHeaders
	})
	return h, md
}

func unknown(b []byte, name string) error {
	if len(b) < 4 {
		return fmt.Errorf("%w: %s is empty", ErrFormat, name)
	}
	switch m := le.Uint32(b); m {
	case magic12, magic116:
		return fmt.Errorf("%w: %s is that of Go 1.17 or older", ErrFormat, name)
	case magic118, magic120:
		return fmt.Errorf("%w: %s has a bad header", ErrFormat, name)
	default:
		return fmt.Errorf("%w: %s has the unknown magic %#x: newer than this program, or made unreadable (garble)", ErrFormat, name, m)
	}
}

// maybeGo says whether a scan is worth its time: a C library with section headers names no part
// of Go's.
func (d *finder) maybeGo() bool {
	if len(d.f.Sections) == 0 || d.f.HasGoNote() {
		return true
	}
	for _, name := range [4]string{".go.buildinfo", ".note.go.buildid", ".go.module", ".gosymtab"} {
		if _, ok := d.f.Section(name); ok {
			return true
		}
	}
	return false
}

func (d *finder) at(addr uint64, n uint64) []byte {
	off, avail, ok := d.f.Offset(addr)
	if !ok || avail < n {
		return nil
	}
	return d.f.Bytes(off, n)
}

// moduledata finds the module that points to the table at addr, from the likely places to the
// slow ones.
func (d *finder) moduledata(h header, addr uint64) []uint64 {
	if s, ok := d.f.Section(".go.module"); ok { // since Go 1.26
		if md := d.check(h, addr, s.Addr); md != nil {
			return md
		}
	}
	var md []uint64
	try := func(at uint64) bool {
		md = d.check(h, addr, at)
		d.modules++
		return md == nil && d.modules < maxModules
	}
	pointer := le.AppendUint64(nil, addr)
	if s, ok := d.f.Section(".noptrdata"); ok { // Go 1.19 to 1.25
		d.scanRange(span{s.Off, s.Size}, s.Addr, pointer, aligned(try))
	}
	if md == nil {
		d.f.Relative(func(at, addend uint64) bool { return addend != addr || try(at) })
	}
	if md == nil {
		d.scan(pointer, writable, aligned(try))
	}
	return md
}

func aligned(try func(uint64) bool) func(uint64) bool {
	return func(at uint64) bool { return at%8 != 0 || try(at) }
}

// check returns the words of the moduledata at an address if it is that of the table: its first
// word points to the table, five more repeat what the header says, and the function table has
// the length that the header says. This leaves chance no room.
func (d *finder) check(h header, addr, at uint64) []uint64 {
	w := d.f.Words(at, wordsSize)
	if w == nil || w[0] != addr {
		return nil
	}
	for i, k := range [5]int{1, 4, 7, 10, 13} {
		if w[k] != addr+h.tables[i] {
			return nil
		}
	}
	if w[17] != h.nfunc+1 || w[16] != w[13] {
		return nil
	}
	return w
}

func loaded(elfx.Segment) bool     { return true }
func writable(s elfx.Segment) bool { return s.Write }

// scan calls fn with the link-time address of every occurrence of pat in the segments that keep
// accepts, until fn returns false. Code is searched last: it is large and holds no tables.
func (d *finder) scan(pat []byte, keep func(elfx.Segment) bool, fn func(addr uint64) bool) {
	for _, exec := range [2]bool{false, true} {
		for _, s := range d.f.Loads {
			if s.Exec != exec || !keep(s) {
				continue
			}
			if !d.scanRange(span{s.Off, s.Filesz}, s.Vaddr, pat, fn) {
				return
			}
		}
	}
}

func (d *finder) scanRange(sp span, addr uint64, pat []byte, fn func(addr uint64) bool) bool {
	buf := make([]byte, min(sp.size, 256<<10))
	for pos := uint64(0); pos+uint64(len(pat)) <= sp.size && d.scanned < maxScan; {
		n, err := d.f.Reader().ReadAt(buf[:min(uint64(len(buf)), sp.size-pos)], int64(sp.off+pos))
		d.scanned += uint64(n)
		for i := 0; ; i++ {
			k := bytes.Index(buf[i:n], pat)
			if k < 0 {
				break
			}
			i += k
			if !fn(addr + pos + uint64(i)) {
				return false
			}
		}
		if n < len(buf) || (err != nil && err != io.EOF) {
			return true // the end of the range, or of what can be read of it
		}
		pos += uint64(n - len(pat) + 1)
	}
	return true
}
