package cost

import "io"

// Patched is a file with other bytes at one place: what a fuzz target makes of a file that is too large to be its input.
type Patched struct {
	io.ReaderAt
	Patch []byte
	At    int64
}

func (r Patched) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	for i := max(0, r.At-off); i < int64(n) && off+i < r.At+int64(len(r.Patch)); i++ {
		p[i] = r.Patch[off+i-r.At]
	}
	return n, err
}
