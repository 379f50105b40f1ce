package goruntime_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// A function has a stack check if and only if it calls runtime.morestack: that is known without looking
// at the check. Held against all functions of an executable, of every release and both architectures.
func TestFindFunction(t *testing.T) {
	for _, release := range target.Releases(t) {
		for _, b := range []target.Build{{GOARCH: "amd64"}, {GOARCH: "amd64", PIE: true, Strip: true}, {GOARCH: "arm64"}} {
			b.Go = release
			t.Run(b.String(), func(t *testing.T) { testFindFunction(t, b) })
		}
	}
}

func testFindFunction(t *testing.T, b target.Build) {
	image, err := os.ReadFile(target.Compile(t, "labels", b))
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(image)
	bin, err := symbolize.OpenGo(r)
	if err != nil {
		t.Fatal(err)
	}
	ranges := make(map[string][2]uint64)
	for name, at := range bin.Funcs() {
		if _, ok := ranges[name]; !ok {
			ranges[name] = at
		}
	}
	find := func(name string) (uint64, uint64, bool) { at, ok := ranges[name]; return at[0], at[1], ok }
	var grow []uint64
	for _, name := range []string{"runtime.morestack_noctxt", "runtime.morestack"} {
		for _, suffix := range []string{"", ".abi0"} {
			if at, ok := ranges[name+suffix]; ok {
				grow = append(grow, at[0])
			}
		}
	}
	checked, seen := 0, 0
	for name := range ranges {
		if seen++; seen%7 != 0 && !strings.HasPrefix(name, "main.") { // each opens the file anew
			continue
		}
		if pkg, _, _ := strings.Cut(name, "."); pkg == "runtime" || strings.Contains(name, "/") || strings.HasPrefix(name, "_") ||
			pkg == "go:buildid" {
			continue // assembly, and the runtime's own stacks
		}
		f, err := goruntime.FindFunction(r, find, name)
		if err != nil {
			continue // does not return, or holds instructions that the disassembler does not know
		}
		lo, hi, _ := find(name)
		code := image[f.Offset : f.Offset+hi-lo]
		if guarded := f.Begin > f.Offset; guarded != callsOneOf(code, lo, grow, b.GOARCH) {
			t.Errorf("%s: begins at +%#x, and calls morestack: %t", name, f.Begin-f.Offset, !guarded)
		}
		for _, end := range f.Ends {
			if in := image[end:]; b.GOARCH == "amd64" && in[0] != 0xc3 || b.GOARCH == "arm64" && binary.LittleEndian.Uint32(in) != 0xd65f03c0 {
				t.Errorf("%s: no return at +%#x", name, end-f.Offset)
			}
		}
		checked++
	}
	if checked < 50 {
		t.Errorf("%d functions checked of %d", checked, len(ranges))
	}
	t.Logf("%d of %d functions", checked, len(ranges))
}

// callsOneOf says whether code has a call of one of the functions: E8 rel32, or BL.
func callsOneOf(code []byte, pc uint64, functions []uint64, arch string) bool {
	for i := 0; i+5 <= len(code); i++ {
		var to uint64
		switch w := binary.LittleEndian.Uint32(code[i:]); {
		case arch == "arm64" && i%4 == 0 && w>>26 == 0x25:
			to = pc + uint64(i) + uint64(int64(int32(w<<6)>>6)*4)
		case arch == "amd64" && code[i] == 0xe8:
			to = pc + uint64(i) + 5 + uint64(int64(int32(binary.LittleEndian.Uint32(code[i+1:]))))
		default:
			continue
		}
		for _, f := range functions {
			if f == to {
				return true
			}
		}
	}
	return false
}

func TestFindFunctionRefuses(t *testing.T) {
	f, err := os.Open(target.Compile(t, "labels", target.Build{}))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	none := func(string) (uint64, uint64, bool) { return 0, 0, false }
	if _, err := goruntime.FindFunction(f, none, "main.gone"); !errors.Is(err, goruntime.ErrNoFunction) {
		t.Errorf("a function that is not there: %v", err)
	}
	elsewhere := func(string) (uint64, uint64, bool) { return 1 << 40, 1<<40 + 100, true }
	if _, err := goruntime.FindFunction(f, elsewhere, "main.far"); err == nil {
		t.Error("code that is not in the file is believed")
	}
	if _, err := goruntime.FindFunction(bytes.NewReader([]byte(elf.ELFMAG)), none, "main.main"); err == nil {
		t.Error("half an ELF header is believed")
	}
}
