package goruntime

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Bounds on one label set. They are far above what any program uses and keep a set that was
// overwritten while it was read, or a hostile target, from taking the profiler's memory.
const (
	MaxLabels     = 4096    // labels read of one set
	MaxLabelBytes = 1 << 20 // bytes of keys and values read of one set
)

var (
	// ErrLabels says that the memory at the address does not look like a label set, most often
	// because the goroutine ended meanwhile and its memory is used for something else.
	ErrLabels = errors.New("not a label set")
	// ErrTruncated says that a set is larger than MaxLabels or MaxLabelBytes.
	ErrTruncated = errors.New("label set too large")
)

// ReadLabels reads the label set that the word g.labels points to, from the target's memory (an
// offset in mem is an address). No labels, 0, is an empty set. Labels of Go >= 1.24 come in the
// set's own order, those of older versions, which keep them in a map, sorted by key.
//
// A set may change hands while it is read: the caller compares goid and g.labels before and after.
// The error wraps ErrLabels, ErrTruncated (then the labels that were read are returned with it) or
// what mem returned.
func ReadLabels(mem io.ReaderAt, l *Layout, labels uint64) ([]sample.Label, error) {
	if labels == 0 || l.Labels == LabelsNone {
		return nil, nil
	}
	r := &labelReader{mem: mem, budget: MaxLabelBytes}
	var err error
	if l.Labels == LabelsMap {
		err = r.readMap(labels)
	} else {
		err = r.readSlice(labels)
	}
	if err != nil {
		err = fmt.Errorf("goruntime: labels at %#x: %w", labels, err)
		if !errors.Is(err, ErrTruncated) {
			return nil, err
		}
	}
	return r.set, err
}

type labelReader struct {
	mem    io.ReaderAt
	set    []sample.Label
	budget int // bytes of strings that may still be read
}

const (
	stringSize = 16             // pointer, length
	labelSize  = 2 * stringSize // key, value
)

// readSlice reads *labelMap of Go >= 1.24 (runtime/pprof/label.go): a slice of key and value.
func (r *labelReader) readSlice(addr uint64) error {
	var head [24]byte // pointer, length, capacity
	if err := r.read(head[:], addr); err != nil {
		return err
	}
	list, n, c := word(head[0:]), word(head[8:]), word(head[16:])
	if n > c {
		return fmt.Errorf("%w: length %d above capacity %d", ErrLabels, n, c)
	}
	entries := make([]byte, labelSize*min(n, MaxLabels))
	if err := r.read(entries, list); err != nil {
		return err
	}
	for ; len(entries) > 0; entries = entries[labelSize:] {
		if err := r.add(entries[:stringSize], entries[stringSize:labelSize]); err != nil {
			return err
		}
	}
	if n > MaxLabels {
		return ErrTruncated
	}
	return nil
}

// add reads the strings that the headers key and value describe.
func (r *labelReader) add(key, value []byte) error {
	if len(r.set) >= MaxLabels {
		return ErrTruncated
	}
	k, err := r.text(key)
	if err != nil {
		return err
	}
	v, err := r.text(value)
	if err != nil {
		return err
	}
	r.set = append(r.set, sample.Label{Key: k, Value: v})
	return nil
}

func (r *labelReader) text(header []byte) (string, error) {
	addr, n := word(header), word(header[8:])
	if n == 0 {
		return "", nil
	}
	if n > uint64(r.budget) {
		return "", ErrTruncated
	}
	b := make([]byte, n)
	if err := r.read(b, addr); err != nil {
		return "", err
	}
	r.budget -= int(n)
	return string(b), nil
}

// read fills b from the address. Nothing is mapped in the first page, and no user address has the
// sign bit set, which an offset could not express.
func (r *labelReader) read(b []byte, addr uint64) error {
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
