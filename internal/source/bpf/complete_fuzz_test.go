//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// memory is a target's, from an address on; behind its end it begins again.
type memory []byte

const memoryAt = 0x10000

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if len(m) == 0 || off < memoryAt || off > 1<<40 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = m[(off-memoryAt+int64(i))%int64(len(m))]
	}
	return len(p), nil
}

// FuzzComplete reads label sets that did not fit into a record from any memory, of goroutines that are the record's or not.
func FuzzComplete(f *testing.F) {
	words := func(w ...uint64) (b []byte) {
		for _, x := range w {
			b = binary.LittleEndian.AppendUint64(b, x)
		}
		return b
	}
	one := words(42, memoryAt+16, memoryAt+40, 1, 1, memoryAt, 2, memoryAt+1, 3) // goid, labels; a set of one label
	f.Add(one, uint64(42), uint64(memoryAt+16), false)
	endless := words(42, memoryAt+16, memoryAt+16, 1<<40, 1<<40, memoryAt, 1<<40, memoryAt, 1<<40) // as many as there can be, each as long
	f.Add(endless, uint64(42), uint64(memoryAt+16), false)
	f.Add(words(42, memoryAt+16, 1<<40, 0x3f<<8, memoryAt, memoryAt, 0), uint64(42), uint64(memoryAt+16), true)
	f.Add(bytes.Repeat([]byte{1}, 4096), uint64(0x0101010101010101), uint64(0x0101010101010101), true)
	f.Fuzz(func(t *testing.T, mem []byte, goid, labels uint64, isMap bool) {
		l := &goruntime.Layout{Labels: goruntime.LabelsSlice}
		if isMap {
			l.Labels = goruntime.LabelsMap
		}
		l.G.Goid, l.G.Labels = 0, 8
		h := &header{Curg: memoryAt, Goid: goid, Labels: labels}
		cost.Small.Hold(t, func() {
			set, ok := completeLabels(memory(mem), l, h, goruntime.NewLabelSets())
			if !ok {
				return
			}
			if have, _ := readWord(memory(mem), memoryAt); have != goid {
				t.Fatalf("labels of goroutine %d for %d", have, goid)
			}
			n := 0
			for _, x := range set.Labels {
				n += len(x.Key) + len(x.Value)
			}
			if len(set.Labels) > goruntime.MaxLabels || n > goruntime.MaxLabelBytes {
				t.Fatalf("%d labels of %d bytes", len(set.Labels), n)
			}
		})
	})
}
