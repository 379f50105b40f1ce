package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/exectrace"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// TestViewTrace: an execution trace becomes a profile whose sums are those of the trace, and a page with its goroutines.
func TestViewTrace(t *testing.T) {
	path := filepath.Join("..", "..", "internal", "exectrace", "testdata", "go1.25.trace.gz")
	p, err := (&viewMemory{pieces: tracePieces}).profile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Error(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	trace, err := exectrace.Read(bytes.NewReader(file), exectrace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{}
	for _, g := range trace.Tracks {
		for i := range g.Pieces {
			column, piece := sample.ColumnBlocked, &g.Pieces[i]
			switch trace.States[piece.State].Name {
			case "running":
				column = sample.ColumnCPU
			case "runnable":
				column = sample.ColumnRunnable
			}
			want[column] += piece.Length()
			want[sample.ColumnWall] += piece.Length()
		}
	}
	for i, column := range p.SampleType {
		sum := int64(0)
		for _, s := range p.Sample {
			sum += s.Value[i]
		}
		if sum != want[column.Type] {
			t.Errorf("%s: %d ns, the trace has %d", column.Type, sum, want[column.Type])
		}
	}
	if want[sample.ColumnCPU] == 0 || want[sample.ColumnRunnable] == 0 || want[sample.ColumnBlocked] == 0 {
		t.Errorf("the trace has %v", want)
	}
	b, err := (&viewFlags{files: []string{path}}).page(0)
	if err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	if err := b.Data(&data); err != nil || data.Len() < 1000 {
		t.Errorf("%d bytes of a page, %v", data.Len(), err)
	}
}

// TestViewTraceIsBounded: as many samples as a trace may become take less than a gigabyte.
func TestViewTraceIsBounded(t *testing.T) {
	path := filepath.Join("..", "..", "internal", "exectrace", "testdata", "go1.25.trace.gz")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p, err := (&viewMemory{pieces: tracePieces}).profile(path)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	one := int64(after.HeapAlloc-before.HeapAlloc) / int64(len(p.Sample))
	t.Logf("%d samples of %d bytes", len(p.Sample), one)
	if one*tracePieces > 1<<30 {
		t.Errorf("%d bytes a sample, %d samples may be made", one, tracePieces)
	}
	runtime.KeepAlive(p)
}
