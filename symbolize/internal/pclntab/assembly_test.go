package pclntab

import (
	"os"
	"testing"

	"github.com/mayfly-profiler/mayfly/symbolize/internal/elfx"
)

// The functions of this very test: compiled ones are none, nor is assembly without a frame; md5's and the garbage
// collector's write barrier have one.
func TestFramed(t *testing.T) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	defer exe.Close()
	f, err := elfx.New(exe)
	if err != nil {
		t.Skip(err)
	}
	tab, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	framed := make(map[string]int32)
	last := uint64(0)
	for r, delta := range tab.Framed() {
		if r[0] < last || r[1] <= r[0] || delta <= 0 {
			t.Errorf("function at %#x to %#x with %d", r[0], r[1], delta)
		}
		last = r[1]
		framed[tab.Name(tab.Find(r[0]))] = delta
	}
	t.Logf("%d functions", len(framed))
	if len(framed) == 0 || framed["runtime.gcWriteBarrier"] < 100 && framed["gcWriteBarrier"] < 100 {
		t.Errorf("%v", framed)
	}
	for _, name := range []string{"runtime.memmove", "runtime.mallocgc", "runtime.gopark"} {
		if delta, ok := framed[name]; ok {
			t.Errorf("%s has a frame of %d", name, delta)
		}
	}
}
