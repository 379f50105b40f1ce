package pclntab

import (
	"fmt"
	"unique"

	"github.com/mayfly-profiler/mayfly/symbolize/internal/elfx"
)

// Open finds the table in a file. Errors wrap ErrNotGo or ErrFormat.
func Open(f *elfx.File) (*Table, error) {
	d := finder{f: f}
	h, md, err := d.find()
	if err != nil {
		return nil, err
	}
	t := &Table{p: newPages(f.Reader()), quantum: h.quantum, lay: layout120, text: md[22], etext: md[23], nfunc: int(h.nfunc),
		strings: map[uint64]string{}}
	if h.magic == magic118 {
		t.lay = layout118
	}
	for _, s := range []struct {
		span *span
		word int
		size uint64
	}{{&t.names, 1, 1}, {&t.cus, 4, 4}, {&t.files, 7, 1}, {&t.pcs, 10, 1}, {&t.funcs, 13, 1}} {
		off, avail, ok := f.Offset(md[s.word])
		if n := md[s.word+1]; !ok || n > avail/s.size {
			return nil, fmt.Errorf("%w: a table is outside of the file", ErrFormat)
		}
		*s.span = span{off, md[s.word+1] * s.size}
	}
	if err := t.readFunctab(f); err != nil {
		return nil, err
	}
	t.gofunc = t.findTrees(f, md)
	return t, nil
}

// readFunctab reads the one table that is kept whole, up to a megabyte. Who resolves addresses of twenty processes of one program keeps it
// once: what is equal byte for byte is one, wherever it was read. A build ID, a path or an inode would say less, since whoever made a
// file wrote them, and what one file says must not name the functions of another.
func (t *Table) readFunctab(f *elfx.File) error {
	size := uint64(t.nfunc)*8 + 4 // the last entry has no function, only the end
	off, ok := t.funcs.at(0, size)
	if !ok {
		return fmt.Errorf("%w: %d functions do not fit", ErrFormat, t.nfunc)
	}
	b := f.Bytes(off, size)
	if uint64(len(b)) < size {
		return fmt.Errorf("%w: truncated", ErrFormat)
	}
	t.one = unique.Make(string(b))
	t.functab = t.one.Value()
	return nil
}
