package symbolize

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

func TestPerfMap(t *testing.T) {
	m := perfMap{funs: parsePerfMap(strings.NewReader("0x1000 10 one\n" +
		"2000 100 wasm function with spaces(int)\n" +
		"2040 10 later\n" + // the memory was used again
		"1800 0 empty\nno line\n3000\n3000 10\nffffffffffffffff 10 wraps\n" +
		"4000 10 " + strings.Repeat("n", maxPerfLine) + "\n" +
		"5000 10 bad\xff\n" +
		"6000 10 half writ"))}
	for pc, want := range map[uint64]string{
		0xfff: "", 0x1000: "one", 0x100f: "one", 0x1010: "", 0x1800: "", 0x2000: "wasm function with spaces(int)",
		0x2040: "later", 0x204f: "later", 0x2050: "wasm function with spaces(int)", 0x2100: "", 0x3000: "", 0x4000: "",
		0x5000: "bad\uFFFD", 0x6000: "",
	} {
		if name, ok := m.lookup(pc); name != want || ok != (want != "") {
			t.Errorf("%#x: %q, %v instead of %q", pc, name, ok, want)
		}
	}
}

// Functions that all lie over each other cost no search through all of them.
func TestPerfMapOverlaps(t *testing.T) {
	var b strings.Builder
	for i := range 3 * maxOverlaps {
		fmt.Fprintf(&b, "%x 100000 f%d\n", 0x1000+i, i)
	}
	m := perfMap{funs: parsePerfMap(strings.NewReader(b.String()))}
	if name, ok := m.lookup(0x50000); ok {
		t.Errorf("got %q of too many", name)
	}
	if name, _ := m.lookup(0x1001); name != "f1" {
		t.Errorf("got %q", name)
	}
}

func FuzzPerfMap(f *testing.F) {
	f.Add([]byte("1000 10 a\n1008 10 b\n0x1004 2 c d\n"), uint64(0x1009))
	f.Add([]byte("ffffffffffff0000 ffff x\n"), uint64(1)<<63)
	f.Add([]byte(strings.Repeat("1 ffffffff a\n", 1<<16)), uint64(2)) // each within all others
	f.Fuzz(func(t *testing.T, b []byte, pc uint64) {
		cost.Small.Hold(t, func() {
			b = b[:min(len(b), 1<<20)]
			m := perfMap{funs: parsePerfMap(strings.NewReader(string(b)))}
			name, ok := m.lookup(pc)
			if ok && (pc >= kernelHalf || name == "" || len(name) > 3*maxPerfLine) {
				t.Errorf("%#x is %q", pc, name)
			}
		})
	})
}
