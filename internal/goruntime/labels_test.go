package goruntime

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// image is a piece of a target's memory, from base on, to be filled from the bottom.
type image struct {
	data []byte
}

const base = 0x10000

func (m *image) ReadAt(p []byte, off int64) (int, error) {
	if off < base || off >= base+int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[off-base:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// put appends bytes and returns their address.
func (m *image) put(b []byte) uint64 {
	for len(m.data)%8 != 0 {
		m.data = append(m.data, 0)
	}
	addr := base + uint64(len(m.data))
	m.data = append(m.data, b...)
	return addr
}

func (m *image) words(words ...uint64) uint64 {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return m.put(b)
}

func (m *image) text(s string) []uint64 { return []uint64{m.put([]byte(s)), uint64(len(s))} }

// slice lays out a label set the way Go >= 1.24 does.
func (m *image) slice(set []sample.Label) uint64 {
	var entries []uint64
	for _, l := range set {
		entries = append(append(entries, m.text(l.Key)...), m.text(l.Value)...)
	}
	n := uint64(len(set))
	return m.words(m.words(entries...), n, n)
}

// slot is what a bucket of a map holds: a label, or only the mark of an empty or moved slot.
type slot struct {
	hash  byte
	label sample.Label
}

// bucket lays out a map's bucket, with the address of the next one that it overflows to.
func (m *image) bucket(slots []slot, overflow uint64) []byte {
	var hashes [8]byte
	keys, values := make([]uint64, 16), make([]uint64, 16)
	for i, s := range slots {
		hashes[i] = s.hash
		if s.hash >= minTopHash {
			copy(keys[2*i:], m.text(s.label.Key))
			copy(values[2*i:], m.text(s.label.Value))
		}
	}
	b := hashes[:]
	for _, w := range append(append(keys, values...), overflow) {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// hmap lays out a labelMap variable and the map's header.
func (m *image) hmap(count int, b, flags byte, buckets, old uint64) uint64 {
	h := m.words(uint64(count), uint64(flags)|uint64(b)<<8, buckets, old, 0, 0)
	return m.words(h)
}

// full returns n slots in use, with labels k(from), k(from+1), ...
func full(from, n int) []slot {
	var all []slot
	for i := from; i < from+n; i++ {
		all = append(all, slot{minTopHash + byte(i), label(i)})
	}
	return all
}

func label(i int) sample.Label {
	return sample.Label{Key: fmt.Sprintf("k%02d", i), Value: strings.Repeat("v", i)}
}

func labels(n int) []sample.Label {
	var all []sample.Label
	for i := range n {
		all = append(all, label(i))
	}
	return all
}

var sliceLayout, mapLayout = &Layout{Labels: LabelsSlice}, &Layout{Labels: LabelsMap}

// The test's own labels, in its own memory, laid out by the Go that runs it.
func TestReadLabelsSelf(t *testing.T) {
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skip(err)
	}
	defer mem.Close()
	for _, n := range []int{0, 3, 12, 40} {
		want := labels(n)
		if n == 3 {
			want[1].Value = strings.Repeat("4 KiB of it.", 4096/12)
		}
		var kv []string
		for _, l := range want {
			kv = append(kv, l.Key, l.Value)
		}
		ctx := pprof.WithLabels(context.Background(), pprof.Labels(kv...))
		// SetGoroutineLabels puts the value that the context carries into g.labels.
		set := reflect.ValueOf(ctx).Elem().FieldByName("val").Elem()
		got, err := ReadLabels(mem, sliceLayout, uint64(set.Pointer()))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d labels: %v, %v", n, got, err)
		}
	}
}

func TestReadLabelsSlice(t *testing.T) {
	for _, n := range []int{0, 1, 12, 40, 300} {
		m := &image{}
		got, err := ReadLabels(m, sliceLayout, m.slice(labels(n)))
		if err != nil || !slices.Equal(got, labels(n)) {
			t.Errorf("%d labels: got %d, %v", n, len(got), err)
		}
	}
	if got, err := ReadLabels(&image{}, sliceLayout, 0); got != nil || err != nil {
		t.Errorf("no set: %v, %v", got, err)
	}
	if got, err := ReadLabels(&image{}, &Layout{}, 4711); got != nil || err != nil {
		t.Errorf("no labels in this version: %v, %v", got, err)
	}
}

func TestReadLabelsMap(t *testing.T) {
	for name, c := range map[string]struct {
		want  int
		build func(m *image) uint64
	}{
		"nil":   {0, func(m *image) uint64 { return m.words(0) }},
		"empty": {0, func(m *image) uint64 { return m.hmap(0, 0, 0, 0, 0) }},
		"one bucket": {3, func(m *image) uint64 {
			return m.hmap(3, 0, 0, m.put(m.bucket(full(0, 3), 0)), 0)
		}},
		"gaps": {2, func(m *image) uint64 {
			slots := append([]slot{{hash: 1}, {hash: 0}, full(0, 1)[0], {hash: 1}}, full(1, 1)...)
			return m.hmap(2, 0, 0, m.put(m.bucket(slots, 0)), 0)
		}},
		"overflow": {19, func(m *image) uint64 {
			last := m.put(m.bucket(full(16, 3), 0))
			middle := m.put(m.bucket(full(8, 8), last))
			return m.hmap(19, 0, 0, m.put(m.bucket(full(0, 8), middle)), 0)
		}},
		"two buckets, one overflows": {12, func(m *image) uint64 {
			over := m.put(m.bucket(full(8, 1), 0))
			return m.hmap(12, 1, 0, m.put(append(m.bucket(full(0, 8), over), m.bucket(full(9, 3), 0)...)), 0)
		}},
		// Of two old buckets the first was moved to the new buckets 0 and 2, the second was not.
		"half moved": {14, func(m *image) uint64 {
			moved := []slot{{hash: 2}, {hash: 3}, {hash: 4}}
			over := m.put(m.bucket(full(12, 2), 0))
			old := m.put(append(m.bucket(moved, 0), m.bucket(full(4, 8), over)...))
			none := m.bucket(nil, 0)
			now := append(append(m.bucket(full(0, 3), 0), none...), append(m.bucket(full(3, 1), 0), none...)...)
			return m.hmap(14, 2, 0, m.put(now), old)
		}},
		"grown to the same size": {5, func(m *image) uint64 {
			old := m.put(append(m.bucket([]slot{{hash: 4}}, 0), m.bucket(full(0, 2), 0)...))
			now := m.put(append(m.bucket(full(2, 3), 0), m.bucket(nil, 0)...))
			return m.hmap(5, 1, sameSizeGrow, now, old)
		}},
	} {
		m := &image{}
		addr := c.build(m)
		got, err := ReadLabels(m, mapLayout, addr)
		if err != nil || !slices.Equal(got, labels(c.want)) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestReadLabelsBad(t *testing.T) {
	m := &image{}
	tooMany := m.slice(slices.Repeat(labels(1), MaxLabels+1))
	tooLong := m.slice([]sample.Label{label(1), {Key: "big", Value: strings.Repeat("v", MaxLabelBytes)}})
	keyTooLong := m.slice([]sample.Label{{Key: strings.Repeat("k", MaxLabelBytes+1)}, label(1)})
	circle := m.put(m.bucket(nil, 0))
	binary.LittleEndian.PutUint64(m.data[circle-base+bucketOverflow:], circle)
	for name, c := range map[string]struct {
		l      *Layout
		labels uint64
		want   error
		n      int
	}{
		"too many":         {sliceLayout, tooMany, errTruncated, MaxLabels},
		"too long":         {sliceLayout, tooLong, errTruncated, 2},
		"key too long":     {sliceLayout, keyTooLong, errTruncated, 0},
		"length a pointer": {sliceLayout, m.words(m.words(base, 5, base, 0xc000012340), 1, 1), io.EOF, 0},
		"above capacity":   {sliceLayout, m.words(base, 3, 2), ErrLabels, 0},
		"list unmapped":    {sliceLayout, m.words(base-4096, 3, 3), io.EOF, 0},
		"string unmapped":  {sliceLayout, m.words(m.words(1<<40, 5, 1<<40, 5), 1, 1), io.EOF, 0},
		"low pointer":      {sliceLayout, 8, ErrLabels, 0},
		"kernel pointer":   {sliceLayout, 1<<63 + 4096, ErrLabels, 0},
		"wrapping":         {sliceLayout, 1<<64 - 8, ErrLabels, 0},
		"unmapped map":     {mapLayout, m.words(1 << 40), io.EOF, 0},
		"circular":         {mapLayout, m.hmap(1, 0, 0, circle, 0), ErrLabels, 0},
		"missing":          {mapLayout, m.hmap(4, 0, 0, m.put(m.bucket(full(0, 3), 0)), 0), ErrLabels, 0},
		"odd B":            {mapLayout, m.hmap(1, 255, 0, circle, 0), ErrLabels, 0},
		"huge":             {mapLayout, m.hmap(1<<20, 18, 0, circle, 0), errTruncated, 0},
	} {
		got, err := ReadLabels(m, c.l, c.labels)
		if !errors.Is(err, c.want) || len(got) != c.n {
			t.Errorf("%s: %d labels, %v; want %d, %v", name, len(got), err, c.n, c.want)
		}
	}
}

func FuzzReadLabels(f *testing.F) {
	m := &image{}
	addr := m.slice(labels(5))
	f.Add(m.data, addr, false)
	m = &image{}
	over := m.put(m.bucket(full(8, 8), 0))
	old := m.put(m.bucket(full(16, 2), 0))
	addr = m.hmap(18, 1, 0, m.put(append(m.bucket(full(0, 8), over), m.bucket(nil, 0)...)), old)
	f.Add(m.data, addr, true)
	m = &image{} // more labels than there can be, each a gigabyte
	addr = m.words(m.words(slices.Repeat([]uint64{base, 1 << 30}, 1<<11)...), 1<<40, 1<<40)
	f.Add(m.data, addr, false)
	m = &image{} // a bucket that is its own overflow, of a map of 2^60 buckets
	addr = m.hmap(1<<40, 60, 0, base, base)
	f.Add(append(m.bucket(full(0, 8), base), m.data...), addr, true)
	f.Fuzz(func(t *testing.T, data []byte, addr uint64, isMap bool) {
		cost.Small.Hold(t, func() {
			l := sliceLayout
			if isMap {
				l = mapLayout
			}
			set, err := ReadLabels(&image{data}, l, addr)
			size := 0
			for _, label := range set {
				size += len(label.Key) + len(label.Value)
			}
			if len(set) > MaxLabels || size > MaxLabelBytes {
				t.Errorf("%d labels of %d bytes", len(set), size)
			}
			if err != nil && set != nil && !errors.Is(err, errTruncated) {
				t.Errorf("%d labels in spite of %v", len(set), err)
			}
		})
	})
}
