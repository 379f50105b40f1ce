package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/exectrace"
	fuzzed "github.com/mayfly-profiler/mayfly/internal/samples/hostile"
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

// TestViewSaysWhatIsMissing: a trace that is not read to its end, and sums that a profile cannot hold.
func TestViewSaysWhatIsMissing(t *testing.T) {
	m := viewMemory{pieces: 10}
	path := filepath.Join("..", "..", "internal", "exectrace", "testdata", "go1.25.trace.gz")
	if _, err := m.profile(path); err != nil || len(m.missing) != 1 || !strings.Contains(m.missing[0], "more than 10 states of goroutines") {
		t.Errorf("%q, %v", m.missing, err)
	}
	path = filepath.Join(t.TempDir(), "wide.pb.gz")
	var file bytes.Buffer
	if err := fuzzed.Wide().Write(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f := viewFlags{files: []string{path, path}, memory: 64}
	_, err := f.writer(export.ForFile("x.pb.gz"), false)
	if err == nil || !strings.Contains(err.Error(), "column cpu: its sum is more than 63 bits") {
		t.Error(err)
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
