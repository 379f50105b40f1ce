package goruntime

import "io"

// ReadHidden is Read where the table has no row for the release and there is no DWARF.
func ReadHidden(r io.ReaderAt, fn FindFunc) (*Layout, error) {
	f, l, err := open(r)
	if err != nil {
		return nil, err
	}
	if err := l.fromCode(f, fn, false); err != nil {
		return l, err
	}
	return l.finish(f), nil
}
