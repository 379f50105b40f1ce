package symbolize

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/symbolize/internal/elfx"
)

// object is a file with code: opened once, whatever number of mappings it has.
type object struct {
	base    string // file name without the folder
	kind    Kind
	buildID string
	file    *os.File    // nil for the vdso and for what could not be opened
	elf     *elfx.File  // nil when it could not be read
	golang  *Binary     // nil when it holds no Go code that we can read
	shared  proc.FileID // zero: nobody else has what is known of it

	syms   *elfx.Symbols
	loaded bool // syms is what the file has
}

// unreadObject has no symbols: its addresses get synthetic names.
func unreadObject(name string) *object {
	return &object{base: strings.Trim(path.Base(name), "[]")}
}

// newObject reads the headers. An object without symbols is still an object: the error is a
// warning.
func newObject(name string, r io.ReaderAt) (*object, error) {
	o := unreadObject(name)
	f, err := elfx.New(r)
	if err != nil {
		return o, fmt.Errorf("%s: %w", name, err)
	}
	o.elf, o.kind, o.buildID = f, C, f.BuildID()
	b, err := openGo(f)
	switch {
	case err == nil:
		o.golang, o.kind = b, Go
	case !errors.Is(err, ErrNotGo):
		o.kind = Go
		return o, fmt.Errorf("%s: %w: falling back to elf symbols, without lines and inlined calls", name, err)
	}
	return o, nil
}

// bias returns what to subtract from an address in a mapping of the object to get the link-time
// address.
func (o *object) bias(start, offset uint64) uint64 {
	if o.elf == nil {
		return start - offset
	}
	seg, ok := o.elf.Load(offset, elfx.Exec)
	if !ok {
		return start - offset
	}
	return start - offset - (seg.Vaddr - seg.Off)
}

// resolve appends the frames at a link-time address.
func (o *object) resolve(dst []Frame, link uint64) []Frame {
	n := len(dst)
	if o.golang != nil {
		if dst = o.golang.Lookup(dst, link); len(dst) > n {
			return dst
		}
	}
	if name, ok := o.symbol(link); ok {
		f := Frame{Func: demangled(name), Kind: o.kind}
		if o.golang != nil {
			f.Kind = C
		}
		if f.Func != name {
			f.SystemName = name
		}
		return append(dst, f)
	}
	return append(dst, Frame{Func: fmt.Sprintf("[%s]+%#x", o.base, link)})
}

// symbol looks in the ELF symbols, which are read when the first address needs them.
func (o *object) symbol(link uint64) (string, bool) {
	if !o.loaded && o.elf != nil {
		var skip func(uint64) bool
		if o.golang != nil {
			skip = o.golang.Contains // pclntab knows these better
		}
		o.syms = o.elf.Symbols(skip)
	}
	o.loaded = true
	name, _, ok := o.syms.Lookup(link)
	return name, ok
}

func (o *object) close() error {
	if o.file == nil {
		return nil
	}
	if o.shared != (proc.FileID{}) {
		openFiles.close(o.shared)
	}
	return o.file.Close()
}

// openVDSO reads the vdso, a small ELF library that the kernel puts into every process, from the
// memory of the process. Where that is forbidden ours will do: it is the same for all processes
// of one kernel, except for its place.
func openVDSO(p *proc.Process, m proc.Mapping) (*object, error) {
	const maxVDSO = 256 << 10
	if m.End-m.Start > maxVDSO {
		return unreadObject(m.Path), fmt.Errorf("[vdso]: %d bytes long", m.End-m.Start)
	}
	b := make([]byte, m.End-m.Start)
	if _, err := p.Mem().ReadAt(b, int64(m.Start)); err != nil {
		own, oerr := ownVDSO()
		if oerr != nil {
			return unreadObject(m.Path), fmt.Errorf("[vdso]: %w", err)
		}
		b = own
	}
	o, err := newObject(m.Path, bytes.NewReader(b))
	if o.elf != nil {
		o.kind = VDSO
	}
	return o, err
}

func ownVDSO() ([]byte, error) {
	self, err := proc.Open(os.Getpid())
	if err != nil {
		return nil, err
	}
	defer self.Close()
	maps, err := self.Maps()
	if err != nil {
		return nil, err
	}
	for _, m := range maps {
		if m.Path == "[vdso]" {
			b := make([]byte, m.End-m.Start)
			_, err := self.Mem().ReadAt(b, int64(m.Start))
			return b, err
		}
	}
	return nil, errors.ErrUnsupported
}
