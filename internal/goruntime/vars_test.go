package goruntime_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// What the code says about the variables' addresses is what the symbol table of the same file
// says, for every release, on both architectures and linked in every way. The rules see the file
// with its symbol table hidden.
func TestFindVars(t *testing.T) {
	for _, release := range target.Releases(t) {
		for _, arch := range []string{"amd64", "arm64"} {
			modes := []target.Build{{}, {PIE: true}}
			if arch == "amd64" {
				modes = append(modes, target.Build{CGO: true}, target.Build{PIE: true, CGO: true})
			}
			for _, b := range modes {
				b.Go, b.GOARCH = release, arch
				t.Run(b.String(), func(t *testing.T) { testFindVars(t, b) })
			}
		}
	}
}

func testFindVars(t *testing.T, b target.Build) {
	exe := target.Compile(t, "labels", b)
	want := findVars(t, exe, false)
	if want.From != goruntime.FromSymbols || want.Allp == 0 || want.GCPhase == 0 || want.WaitReasons == 0 || want.NWaitReasons < 25 {
		t.Errorf("with symbols: %+v", want)
	}
	got := findVars(t, exe, true)
	want.From = goruntime.FromCode
	if *got != *want {
		t.Errorf("by the code:\n%+v\nby the symbols:\n%+v", got, want)
	}
}

// Really stripped files differ in their data addresses from those with symbols, so here it is only
// seen that all is found.
func TestFindVarsStripped(t *testing.T) {
	for _, release := range target.Releases(t) {
		for _, b := range []target.Build{{Strip: true}, {Strip: true, PIE: true}, {Strip: true, PIE: true, CGO: true}} {
			b.Go = release
			t.Run(b.String(), func(t *testing.T) {
				v := findVars(t, target.Compile(t, "labels", b), false)
				if v.From != goruntime.FromCode || v.Allp == 0 || v.GCPhase == 0 || v.Main == 0 || v.AsyncPreempt.Lo == 0 {
					t.Errorf("%+v", v)
				}
			})
		}
	}
}

func findVars(t *testing.T, exe string, hide bool) *goruntime.Vars {
	t.Helper()
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if hide {
		hideSymbols(t, b)
	}
	r := bytes.NewReader(b)
	l, err := goruntime.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := symbolize.OpenGo(r)
	if err != nil {
		t.Fatal(err)
	}
	v, err := goruntime.FindVars(r, l, bin.Func)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// hideSymbols makes the section of the symbol table one of no meaning.
func hideSymbols(t *testing.T, b []byte) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	off := int(binary.LittleEndian.Uint64(b[0x28:])) // e_shoff; a section header has 64 bytes, its type at 4
	for i, s := range f.Sections {
		if s.Type == elf.SHT_SYMTAB {
			b[off+64*i+4] = byte(elf.SHT_NOTE)
		}
	}
}

func TestFindVarsMissing(t *testing.T) {
	b, err := os.ReadFile(target.Compile(t, "labels", target.Build{Strip: true}))
	if err != nil {
		t.Fatal(err)
	}
	l, err := goruntime.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	none := func(string) (lo, hi uint64, ok bool) { return 0, 0, false }
	if _, err := goruntime.FindVars(bytes.NewReader(b), l, none); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("no function is known: %v", err)
	}
	if _, err := goruntime.FindVars(strings.NewReader("#!/bin/sh"), l, none); !errors.Is(err, goruntime.ErrNotGo) {
		t.Errorf("no ELF file: %v", err)
	}
}

func TestVarsAdd(t *testing.T) {
	v := goruntime.Vars{Allglen: 1, Goexit: 2, AsyncPreempt: goruntime.Range{Lo: 3, Hi: 4}}
	moved := v.Add(0x1000)
	if moved.Allglen != 0x1001 || moved.Goexit != 0x1002 || moved.AsyncPreempt != (goruntime.Range{Lo: 0x1003, Hi: 0x1004}) {
		t.Errorf("moved: %+v", moved)
	}
	if moved.Allp != 0 || moved.CgoCallback != (goruntime.Range{}) || v.Allglen != 1 {
		t.Errorf("what is not there moved, or the original: %+v, %+v", moved, v)
	}
}

func FuzzFindVars(f *testing.F) {
	f.Add([]byte{0x48, 0x8d, 0x05, 1, 0, 0, 0}, false)
	f.Add([]byte{0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x40, 0xf9}, true)
	f.Add(bytes.Repeat([]byte{0x66}, 1<<14), false) // prefixes without an instruction
	f.Add(bytes.Repeat([]byte{0x48, 0x8d, 0x05, 1, 0, 0, 0}, 1<<12), false)
	f.Fuzz(func(t *testing.T, text []byte, arm bool) {
		cost.Small.Hold(t, func() { goruntime.Refs(text, 0x1000, arm) })
	})
}
