package goruntime_test

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// What the code says of runtime.mheap_.sweepgen is what symbol table and DWARF of the same file say, and
// the file without them gives an address too.
func TestSweepGen(t *testing.T) {
	for _, release := range target.Releases(t) {
		for _, b := range []target.Build{{}, {PIE: true}, {CGO: true}, {GOARCH: "arm64"}, {GOARCH: "arm64", PIE: true}} {
			b.Go = release
			t.Run(b.String(), func(t *testing.T) {
				exe := target.Compile(t, "labels", b)
				if got, want := findVars(t, exe, false).SweepGen, mheap(t, exe); got != want {
					t.Errorf("sweepgen at %#x, want %#x", got, want)
				}
				b.Strip = true
				if findVars(t, target.Compile(t, "labels", b), false).SweepGen == 0 {
					t.Error("not found in the stripped file")
				}
			})
		}
	}
}

// mheap is the address of mheap_.sweepgen by symbol and DWARF.
func mheap(t *testing.T, exe string) uint64 {
	t.Helper()
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == "runtime.mheap_" {
			return s.Value + offsetOf(t, d, "runtime.mheap", "sweepgen")
		}
	}
	t.Fatal("no runtime.mheap_")
	return 0
}

func offsetOf(t *testing.T, d *dwarf.Data, name, field string) uint64 {
	t.Helper()
	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil || e == nil {
			t.Fatal(name, err)
		}
		if e.Tag != dwarf.TagStructType || e.Val(dwarf.AttrName) != name {
			continue
		}
		typ, err := d.Type(e.Offset)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range typ.(*dwarf.StructType).Field {
			if f.Name == field {
				return uint64(f.ByteOffset)
			}
		}
	}
}

func TestGrace(t *testing.T) {
	word := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	for _, c := range []struct {
		name   string
		g      goruntime.Grace
		now    uint32
		covers bool
	}{
		{"unknown", goruntime.Grace{}, 0, false},
		{"no sweepgen", goruntime.NewGrace(word(7), word(1)), 7, false},
		{"between phases, none has ended", goruntime.NewGrace(word(8), word(0)), 8, true},
		{"between phases, one has ended", goruntime.NewGrace(word(8), word(0)), 10, false},
		{"marking, it goes on", goruntime.NewGrace(word(8), word(1)), 8, true},
		{"marking, it has ended", goruntime.NewGrace(word(8), word(1)), 10, true},
		{"mark termination, it has ended", goruntime.NewGrace(word(8), word(2)), 10, true},
		{"marking, the next has ended", goruntime.NewGrace(word(8), word(1)), 12, false},
		{"phase not known", goruntime.NewGrace(word(8), nil), 10, false},
		{"around zero", goruntime.NewGrace(word(1<<32-2), word(1)), 0, true},
		{"after zero", goruntime.NewGrace(word(1<<32-2), word(1)), 2, false},
		{"longest", goruntime.NewGrace(word(8), nil).Longest(goruntime.NewGrace(word(10), nil)), 10, true},
		{"longest, the other way", goruntime.NewGrace(word(10), nil).Longest(goruntime.NewGrace(word(8), nil)), 10, true},
		{"longest of one", goruntime.NewGrace(word(10), nil).Longest(goruntime.Grace{}), 10, true},
	} {
		if got := c.g.Covers(word(c.now)); got != c.covers {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
