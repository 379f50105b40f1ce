package goruntime_test

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// The labels of every goroutine of a running program, found through runtime.allgs by nothing but
// the layout, are those that the program says it set: sets of up to 40 labels, a value of 4 KiB,
// and for Go <= 1.23 a map that is half moved to larger buckets.
func TestReadLabelsLive(t *testing.T) {
	for _, release := range target.Releases(t) {
		for _, b := range []target.Build{{Go: release}, {Go: release, PIE: true}, {Go: release, CGO: true}} {
			t.Run(b.String(), func(t *testing.T) { testLabelsLive(t, b) })
		}
	}
}

func testLabelsLive(t *testing.T, b target.Build) {
	l := read(t, b)
	x := target.Start(t, target.Compile(t, "labels", b))
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", x.PID))
	target.Need(t, err) // a hardened kernel may forbid it
	defer mem.Close()
	got := liveLabels(t, x, l, mem)
	var truth struct {
		Sets map[string]struct {
			Goid   uint64
			Labels map[string]string
		}
	}
	x.Truth(&truth)
	if len(truth.Sets) < 7 {
		t.Fatalf("%d sets", len(truth.Sets))
	}
	for name, want := range truth.Sets {
		if set, ok := got[want.Goid]; !ok || !maps.Equal(set, want.Labels) {
			t.Errorf("set %q: goroutine %d has %d labels %.200q, want %d", name, want.Goid, len(set), fmt.Sprint(set), len(want.Labels))
		}
	}
}

// liveLabels returns the labels of all goroutines by id.
func liveLabels(t *testing.T, x *target.Target, l *goruntime.Layout, mem io.ReaderAt) map[uint64]map[string]string {
	t.Helper()
	word := func(addr uint64) uint64 {
		var b [8]byte
		if _, err := mem.ReadAt(b[:], int64(addr)); err != nil {
			t.Fatalf("word at %#x: %v", addr, err)
		}
		return binary.LittleEndian.Uint64(b[:])
	}
	allgs := allgs(t, x)
	all := map[uint64]map[string]string{}
	for i := range word(allgs + 8) {
		g := word(word(allgs) + 8*i)
		set, err := goruntime.ReadLabels(mem, l, word(g+uint64(l.G.Labels)))
		if err != nil {
			t.Errorf("goroutine %d: %v", word(g+uint64(l.G.Goid)), err)
		}
		labels := map[string]string{}
		for _, kv := range set {
			labels[kv.Key] = kv.Value
		}
		all[word(g+uint64(l.G.Goid))] = labels
	}
	return all
}

// allgs is the address of runtime.allgs in the running program.
func allgs(t *testing.T, x *target.Target) uint64 {
	t.Helper()
	f, err := elf.Open(x.Exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == "runtime.allgs" {
			return s.Value + loadBias(t, x, f)
		}
	}
	t.Fatal("no runtime.allgs")
	return 0
}

// loadBias is what is added to the file's addresses: for PIE how far its first segment moved.
func loadBias(t *testing.T, x *target.Target, f *elf.File) uint64 {
	t.Helper()
	if f.Type != elf.ET_DYN {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", x.PID))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var start, end, offset uint64
		var mode string
		n, _ := fmt.Sscanf(line, "%x-%x %s %x", &start, &end, &mode, &offset)
		if n == 4 && offset == 0 && strings.HasSuffix(strings.TrimSpace(line), x.Exe) {
			return start - firstSegment(f)
		}
	}
	t.Fatalf("no mapping of %s", x.Exe)
	return 0
}

func firstSegment(f *elf.File) uint64 {
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			return p.Vaddr
		}
	}
	return 0
}
