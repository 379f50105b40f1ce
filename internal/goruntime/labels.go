package goruntime

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// Bounds on one label set. They are far above what any program uses and keep a set that was
// overwritten while it was read, or a hostile target, from taking the profiler's memory.
const (
	MaxLabels     = 1024     // labels read of one set
	MaxLabelBytes = 64 << 10 // bytes of keys and values read of one set
)

var (
	// ErrLabels says that the memory at the address does not look like a label set: it is used for
	// something else by now, or was from the beginning.
	ErrLabels = errors.New("not a label set")
	// errTruncated says that a set is larger than MaxLabels or MaxLabelBytes.
	errTruncated = errors.New("label set too large")
)

// labelReader reads one set after the other into the same memory.
type labelReader struct {
	mem     io.ReaderAt
	set     []RawLabel
	text    []byte // keys and values; its capacity is what may be read
	entries []byte
	head    [24]byte // of a slice: pointer, length, capacity
}

const (
	stringSize = 16             // pointer, length
	labelSize  = 2 * stringSize // key, value
)

// read fills r.set, and says whether that is all there is.
func (r *labelReader) read(mem io.ReaderAt, l *Layout, labels uint64) (truncated bool, err error) {
	r.mem, r.set, r.text = mem, r.set[:0], r.text[:0]
	if labels == 0 || l.Labels == LabelsNone {
		return false, nil
	}
	if r.text == nil {
		r.text = make([]byte, 0, MaxLabelBytes)
	}
	if l.Labels == LabelsMap {
		err = r.readMap(labels)
	} else {
		err = r.readSlice(labels)
	}
	if err == nil || errors.Is(err, errTruncated) {
		return err != nil, nil
	}
	return false, fmt.Errorf("goruntime: labels at %#x: %w", labels, err)
}

// readSlice reads *labelMap of Go >= 1.24 (runtime/pprof/label.go): a slice of key and value.
func (r *labelReader) readSlice(addr uint64) error {
	head := r.head[:] // not one of the call's own: it would be allocated
	if err := r.fill(head, addr); err != nil {
		return err
	}
	list, n, c := word(head[0:]), word(head[8:]), word(head[16:])
	if n > c {
		return fmt.Errorf("%w: length %d above capacity %d", ErrLabels, n, c)
	}
	size := int(labelSize * min(n, MaxLabels))
	r.entries = slices.Grow(r.entries[:0], size)[:size]
	if err := r.fill(r.entries, list); err != nil {
		return err
	}
	for b := r.entries; len(b) > 0; b = b[labelSize:] {
		if err := r.add(b[:stringSize], b[stringSize:labelSize]); err != nil {
			return err
		}
	}
	if n > MaxLabels {
		return errTruncated
	}
	return nil
}

// add reads the strings that the headers key and value describe.
func (r *labelReader) add(key, value []byte) error {
	if len(r.set) >= MaxLabels {
		return errTruncated
	}
	k, err := r.string(key)
	if err != nil || uint64(len(k)) < word(key[8:]) {
		return cmp.Or(err, errTruncated) // a part of a key would be another key
	}
	v, err := r.string(value)
	if err != nil {
		return err
	}
	r.set = append(r.set, RawLabel{k, v})
	if uint64(len(v)) < word(value[8:]) {
		return errTruncated
	}
	return nil
}

// string reads a string, or as much of it as there is room for. What is cut off has to end in readable memory:
// where something else than labels is read, lengths are often pointers.
func (r *labelReader) string(header []byte) ([]byte, error) {
	addr, n := word(header), word(header[8:])
	room := uint64(cap(r.text) - len(r.text))
	b := r.text[len(r.text):cap(r.text)][:min(n, room)]
	if err := r.fill(b, addr); err != nil {
		return nil, err
	}
	if n > room {
		var last [1]byte
		if err := r.fill(last[:], addr+n-1); err != nil {
			return nil, err
		}
		b = cutText(b, max(len(b)-1, 0))
	}
	r.text = r.text[:len(r.text)+len(b)]
	return b, nil
}

// fill reads b from the address. Nothing is mapped in the first page, and no user address has the
// sign bit set, which an offset could not express.
func (r *labelReader) fill(b []byte, addr uint64) error {
	if len(b) == 0 {
		return nil
	}
	if addr < 4096 || addr > 1<<63-1-uint64(len(b)) {
		return fmt.Errorf("%w: pointer %#x", ErrLabels, addr)
	}
	if n, err := r.mem.ReadAt(b, int64(addr)); n < len(b) {
		return fmt.Errorf("read %d bytes at %#x: %w", len(b), addr, err)
	}
	return nil
}

func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// RawLabel is a label as it was read.
type RawLabel struct{ Key, Value []byte }

// cutText returns the first n bytes of a text, or up to three fewer: it is cut between two characters.
func cutText(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for k := n; k > max(0, n-utf8.UTFMax); k-- {
		if utf8.RuneStart(b[k]) {
			return b[:k]
		}
	}
	return b[:n] // no UTF-8 anyway
}
