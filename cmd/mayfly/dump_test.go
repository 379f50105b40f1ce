package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What is written goroutine by goroutine is what is written at once.
func TestWriteGoroutines(t *testing.T) {
	g := profiler.Goroutine{ID: 7, State: "select", Labels: []sample.Label{{Key: "a", Value: "<&>"}}}
	for _, all := range [][]profiler.Goroutine{{}, {g}, {g, {ID: 8}, g}} {
		var got, want strings.Builder
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{"goroutines": all}); err != nil {
			t.Fatal(err)
		}
		if err := writeGoroutines(&got, all); err != nil || got.String() != want.String() {
			t.Errorf("%v, got\n%s\nwant\n%s", err, got.String(), want.String())
		}
	}
}

// The text of goroutines that share a large label is never in memory at once.
func TestWriteGoroutinesMemory(t *testing.T) {
	labels := []sample.Label{{Key: "k", Value: strings.Repeat("x", 64<<10)}}
	all := make([]profiler.Goroutine, 500)
	for i := range all {
		all[i].Labels = labels
	}
	r := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			_ = writeGoroutines(io.Discard, all)
		}
	})
	if n := r.AllocedBytesPerOp(); n > 4<<20 {
		t.Errorf("%d bytes allocated for 32 MB of text", n)
	}
}
