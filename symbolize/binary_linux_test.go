package symbolize

import (
	"os"
	"testing"
)

// Func finds what a search of the whole table does, for each name there is, the first of several functions, and nothing else.
func TestFuncIsTheSearch(t *testing.T) {
	exe, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	bin, err := OpenGo(exe)
	if err != nil {
		t.Fatal(err)
	}
	first := make(map[string][2]uint64)
	for name, r := range bin.Funcs() {
		if _, ok := first[name]; !ok {
			first[name] = r
		}
	}
	for name, want := range first {
		if lo, hi, ok := bin.Func(name); lo != want[0] || hi != want[1] || !ok {
			t.Errorf("%s: [%#x, %#x] %v, want %#x", name, lo, hi, ok, want)
		}
	}
	for _, name := range []string{"", ".", "runtime.", "runtime", "runtime.nobody", "no/such.package", "a[b/c.d]", "x/"} {
		if lo, hi, ok := bin.Func(name); ok {
			t.Errorf("%q: [%#x, %#x]", name, lo, hi)
		}
	}
}
