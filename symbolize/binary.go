package symbolize

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"

	"github.com/mayfly-profiler/mayfly/symbolize/internal/elfx"
	"github.com/mayfly-profiler/mayfly/symbolize/internal/pclntab"
)

var (
	// ErrNotGo is wrapped by OpenGo for a file without Go code.
	ErrNotGo = pclntab.ErrNotGo
	// ErrFormat is wrapped by OpenGo for Go binaries that this version cannot read, and for files
	// that are no 64-bit little-endian ELF.
	ErrFormat = errors.New("unsupported format")
)

// Binary is a Go executable, shared library or plugin, resolved by link-time addresses. It works
// on stripped, position-independent and externally linked binaries of Go 1.18 and later, for
// linux/amd64 and linux/arm64. A Binary is for one goroutine at a time: lookups go through a
// cache.
type Binary struct {
	elf *elfx.File
	tab *pclntab.Table
	buf []pclntab.Frame

	found map[string]functions // by package
}

// OpenGo reads the tables of the Go binary in r, which must stay readable as long as the Binary
// is used. Errors wrap ErrNotGo or ErrFormat.
func OpenGo(r io.ReaderAt) (*Binary, error) {
	if b := openFiles.binary(r); b != nil {
		return b, nil
	}
	f, err := elfx.New(r)
	if err != nil {
		return nil, fmt.Errorf("symbolize: %w: %w", ErrFormat, err)
	}
	return openGo(f)
}

func openGo(f *elfx.File) (*Binary, error) {
	t, err := pclntab.Open(f)
	switch {
	case errors.Is(err, pclntab.ErrNotGo):
		return nil, fmt.Errorf("symbolize: %w", err)
	case err != nil:
		return nil, fmt.Errorf("symbolize: %w: %w", ErrFormat, err)
	}
	return &Binary{elf: f, tab: t}, nil
}

// on is the Binary as another reader of the same content reads it.
func (b *Binary) on(r io.ReaderAt) *Binary { return &Binary{elf: b.elf.On(r), tab: b.tab.On(r)} }

// Lookup appends the frames at a link-time address to dst, innermost first: the inlined
// functions, then the physical one. It appends nothing for an address outside of Go code. A
// return address has to be decremented by the caller, so that it means the call. Wrappers are
// kept and marked.
func (b *Binary) Lookup(dst []Frame, linkPC uint64) []Frame {
	b.buf = b.tab.Lookup(b.buf[:0], linkPC)
	for _, f := range b.buf {
		dst = append(dst, Frame{Func: f.Func, File: f.File, Line: f.Line, StartLine: f.StartLine,
			Inlined: f.Inlined, Wrapper: f.Wrapper, Kind: Go})
	}
	return dst
}

// SPDelta returns how many bytes the stack pointer lies below its value at the function's entry,
// at a link-time address, as pclntab's pcsp table says: at 0 the return address is at [SP] on
// amd64. ok is false outside of Go code.
func (b *Binary) SPDelta(linkPC uint64) (delta int32, ok bool) { return b.tab.SPDelta(linkPC) }

// Contains reports whether a link-time address lies in a Go function.
func (b *Binary) Contains(linkPC uint64) bool { return b.tab.Find(linkPC) >= 0 }

// Entry reports whether a Go function begins at a link-time address.
func (b *Binary) Entry(linkPC uint64) bool {
	i := b.tab.Find(linkPC)
	if i < 0 {
		return false
	}
	lo, _ := b.tab.Range(i)
	return lo == linkPC
}

// Text returns the range of Go's code, from runtime.text to runtime.etext. In a binary with C in
// it this is only a part of .text.
func (b *Binary) Text() (lo, hi uint64) { return b.tab.Text() }

// Framed iterates over the functions written in assembly that move the stack pointer, with their link-time
// ranges and how many bytes the stack pointer lies below its value at the entry in most of their code. Once it has a
// frame, assembly may use the frame pointer for data.
func (b *Binary) Framed() iter.Seq2[[2]uint64, int32] { return b.tab.Framed() }

// Func returns the range of the function of that name, padding after its code included. Several
// functions can have one name (package init functions do); the first is returned. It searches
// the whole table, once for each package until Drop is called.
func (b *Binary) Func(name string) (lo, hi uint64, ok bool) {
	prefix := packageOf(name)
	all, ok := b.found[prefix]
	if !ok {
		if b.found == nil {
			b.found = make(map[string]functions)
		}
		all = b.collect(prefix)
		b.found[prefix] = all
	}
	if all != nil {
		r, ok := all[name]
		return r[0], r[1], ok
	}
	for n, r := range b.Funcs() {
		if n == name {
			return r[0], r[1], true
		}
	}
	return 0, 0, false
}

// functions are ranges by name.
type functions map[string][2]uint64

const mostNames = 2 << 20 // bytes, of one package: the runtime's are a tenth of that

// collect finds the functions whose names begin with a package's prefix; nil: of no package, or too many.
func (b *Binary) collect(prefix string) functions {
	all, left := make(functions), mostNames
	if prefix == "" {
		return nil
	}
	for i := range b.tab.Len() {
		name, ok := b.tab.NameIn(i, prefix)
		if !ok || all.has(name) {
			continue
		}
		if left -= len(name); left < 0 {
			return nil
		}
		lo, hi := b.tab.Range(i)
		all[name] = [2]uint64{lo, hi}
	}
	return all
}

func (f functions) has(name string) bool {
	_, ok := f[name]
	return ok
}

// packageOf is what the names of all functions of a package begin with: its path as the linker writes it, and a dot.
func packageOf(name string) string {
	path, _, _ := strings.Cut(name, "[")
	slash := strings.LastIndexByte(path, '/') + 1
	dot := strings.IndexByte(path[slash:], '.')
	return name[:slash+dot+1]
}

// FindFunc returns a function that is Func of the Go binary in r, which it opens when it is called
// first. Nothing is found in a file that OpenGo refuses.
func FindFunc(r io.ReaderAt) func(name string) (lo, hi uint64, ok bool) {
	open := sync.OnceValue(func() *Binary {
		b, err := OpenGo(r)
		if err != nil {
			return nil
		}
		return b
	})
	return func(name string) (lo, hi uint64, ok bool) {
		if b := open(); b != nil {
			return b.Func(name)
		}
		return 0, 0, false
	}
}

// Funcs iterates over all functions in the order of their addresses, with their link-time
// ranges. The Binary may be used meanwhile.
func (b *Binary) Funcs() iter.Seq2[string, [2]uint64] {
	return func(yield func(string, [2]uint64) bool) {
		for i := range b.tab.Len() {
			lo, hi := b.tab.Range(i)
			if !yield(b.tab.Name(i), [2]uint64{lo, hi}) {
				return
			}
		}
	}
}

// Drop lets go of what is cached of the file, up to 8 MiB: who has looked at all functions needs few of them later. It is read again
// where it is needed.
func (b *Binary) Drop() {
	b.found = nil
	b.tab.Drop()
}

// BuildID returns the identity of the content; see Mapping.BuildID.
func (b *Binary) BuildID() string { return b.elf.BuildID() }
