package symbolize

import (
	"debug/dwarf"
	"debug/elf"
	"math/rand"
	"os"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// benchBinary is the oracle, or the binary that MAYFLY_BENCH_BINARY names: the interesting ones
// are large.
func benchBinary(b *testing.B) string {
	if path := os.Getenv("MAYFLY_BENCH_BINARY"); path != "" {
		return path
	}
	return target.Compile(b, "oracle", target.Build{LDFlags: "-checklinkname=0"})
}

// benchPCs are addresses with a line, in random order: the worst case for any cache.
func benchPCs(bin *Binary) []uint64 {
	o := oracle{bin: bin}
	return o.sample(rand.New(rand.NewSource(1)), oraclePCs)
}

// BenchmarkOpenGo attaches to a binary: open and read what every later lookup needs.
func BenchmarkOpenGo(b *testing.B) {
	path := benchBinary(b)
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := OpenGo(f); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

// BenchmarkLookup resolves the same addresses with this package, with debug/gosym (the outer
// function and the innermost line only) and with debug/dwarf (unstripped binaries only). One
// operation is one address; opening is not counted.
func BenchmarkLookup(b *testing.B) {
	path := benchBinary(b)
	bin := openGoFile(b, path)
	pcs := benchPCs(bin)
	b.Run("mayfly", func(b *testing.B) {
		var fr []Frame
		eachPC(b, pcs, func(pc uint64) { fr = bin.Lookup(fr[:0], pc) })
	})
	b.Run("gosym", func(b *testing.B) {
		tab := gosymTable(b, path)
		eachPC(b, pcs, func(pc uint64) { tab.PCToLine(pc) })
	})
	b.Run("dwarf", func(b *testing.B) {
		d := openDWARF(b, path)
		eachPC(b, pcs, func(pc uint64) { dwarfFrames(d, pc) })
	})
}

func eachPC(b *testing.B, pcs []uint64, lookup func(pc uint64)) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		lookup(pcs[i%len(pcs)])
		i++
	}
}

func openDWARF(b *testing.B, path string) *dwarf.Data {
	f, err := elf.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	d, err := f.DWARF()
	if err != nil {
		b.Skipf("no DWARF: %v", err)
	}
	return d
}

// dwarfFrames finds the chain of inlined subroutines and the line, as debug/dwarf lets one do
// without building an index first. It returns their number.
func dwarfFrames(d *dwarf.Data, pc uint64) int {
	r := d.Reader()
	unit, err := r.SeekPC(pc)
	if err != nil {
		return 0
	}
	lines, err := d.LineReader(unit)
	if err != nil {
		return 0
	}
	var line dwarf.LineEntry
	if lines.SeekPC(pc, &line) != nil {
		return 0
	}
	n := 0
	for {
		e, err := r.Next()
		if err != nil || e == nil || e.Tag == dwarf.TagCompileUnit || n > 0 && e.Tag == dwarf.TagSubprogram {
			return n
		}
		if e.Tag != dwarf.TagSubprogram && e.Tag != dwarf.TagInlinedSubroutine {
			continue
		}
		if covers(d, e, pc) {
			n++
		} else if e.Tag == dwarf.TagSubprogram {
			r.SkipChildren()
		}
	}
}

func covers(d *dwarf.Data, e *dwarf.Entry, pc uint64) bool {
	ranges, err := d.Ranges(e)
	if err != nil {
		return false
	}
	for _, r := range ranges {
		if pc >= r[0] && pc < r[1] {
			return true
		}
	}
	return false
}
