package page

import (
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/samples"
)

func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestLimitOfAll: the files of a page have one limit together, which is what they take, about.
func TestLimitOfAll(t *testing.T) {
	p, q := large(20_000), large(20_000)
	for i, s := range q.Sample {
		s.Label["endpoint"] = []string{string(rune('a' + i%20))}
	}
	before := heapBytes()
	b := New(Options{})
	if err := b.Add(p, slices.Values(p.Sample)); err != nil {
		t.Fatal(err)
	}
	if took := heapBytes() - before; took > b.size() {
		t.Errorf("the page takes %d bytes, and says %d", took, b.size())
	}
	one := b.size()
	if err := b.Add(q, slices.Values(q.Sample)); err != nil || b.size() < one+one/5 {
		t.Errorf("of two: %d bytes, of one %d, %v", b.size(), one, err)
	}
	if err := b.Data(io.Discard); err != nil {
		t.Fatal(err)
	}
	b = New(Options{})
	b.limit = one + one/20
	if err := b.Add(p, slices.Values(p.Sample)); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(q, slices.Values(q.Sample)); !errors.Is(err, samples.ErrTooLarge) {
		t.Errorf("two profiles, with room for one: %v", err)
	}
	runtime.KeepAlive(p)
}
