package symbolize

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// FuzzFindFunction looks in any file for where calls of a function begin and end: probes are put there, so these places are
// in the file, and in the function. The file is the test itself with other bytes at one place, which may be in the function.
func FuzzFindFunction(f *testing.F) {
	const name = "github.com/mayfly-profiler/mayfly/symbolize.seeds"
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		f.Skip(err)
	}
	bin, err := OpenGo(bytes.NewReader(exe))
	if err != nil {
		f.Fatal(err)
	}
	whole, err := goruntime.FindFunction(bytes.NewReader(exe), bin.Func, name)
	if err != nil || len(whole.Ends) == 0 || whole.Begin == whole.Offset {
		f.Fatal(whole, err)
	}
	f.Add([]byte{}, uint32(0))
	for _, at := range []uint32{16, 32, 40, 52, 56, 60, 62, uint32(whole.Offset)} { // fields of the ELF header; the code
		f.Add([]byte{0xff, 0xff}, at)
		f.Add([]byte{0, 0}, at)
	}
	f.Add(bytes.Repeat([]byte{0x66}, 1<<12), uint32(whole.Offset)) // prefixes without an instruction
	f.Fuzz(func(t *testing.T, patch []byte, at uint32) {
		file := cost.Patched{ReaderAt: bytes.NewReader(exe), Patch: patch, At: int64(at)}
		functionCost.Hold(t, func() { findFunction(t, file, name, uint64(len(exe))) })
	})
}

// functionCost is for a file of some megabytes, whose sections debug/elf reads.
var functionCost = cost.Limit{Bytes: 256 << 20, Time: 20 * time.Second}

func findFunction(t *testing.T, file io.ReaderAt, name string, size uint64) {
	bin, err := OpenGo(file)
	if err != nil {
		return
	}
	lo, hi, ok := bin.Func(name)
	fn, err := goruntime.FindFunction(file, bin.Func, name)
	if err != nil {
		if errors.Is(err, goruntime.ErrNoFunction) && ok && hi > lo {
			t.Fatalf("%v, but it is at %#x to %#x", err, lo, hi)
		}
		return
	}
	for _, off := range append(fn.Ends, fn.Begin) {
		if off < fn.Offset || off-fn.Offset > hi-lo || off > size {
			t.Fatalf("%#x, in a function at %#x of %d bytes, in a file of %d", off, fn.Offset, hi-lo, size)
		}
	}
}
