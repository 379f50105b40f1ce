package pclntab

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/symbolize/internal/elfx"
	"github.com/mayfly-profiler/mayfly/symbolize/internal/fixture"
)

// Equal tables are one in memory, whichever file they are of, and a file that differs in one function shares nothing with another.
func TestShared(t *testing.T) {
	read := func(size uint32) *Table {
		t.Helper()
		funcs := []fixture.Func{{Name: "main.main", File: "main.go", Size: size}, {Name: "main.f", File: "main.go", Size: 16}}
		f, err := elfx.New(bytes.NewReader(fixture.Binary{Funcs: funcs}.ELF()))
		if err != nil {
			t.Fatal(err)
		}
		tab, err := Open(f)
		if err != nil {
			t.Fatal(err)
		}
		return tab
	}
	a, b, other := read(16), read(16), read(32)
	if unsafe.StringData(a.functab) != unsafe.StringData(b.functab) {
		t.Error("two copies of one table")
	}
	if other.functab == a.functab || other.Name(other.Find(fixture.Text+20)) != "main.main" || a.Name(a.Find(fixture.Text+20)) != "main.f" {
		t.Error("a table of another file")
	}
}
