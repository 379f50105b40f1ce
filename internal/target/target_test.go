package target_test

import (
	"debug/elf"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Every build mode gives what it says.
func TestModes(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) {
			exe := target.Compile(t, "labels", b)
			f, err := elf.Open(exe)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if pie := f.Type == elf.ET_DYN; pie != b.PIE {
				t.Errorf("position independent: %v", pie)
			}
			if strip := f.Section(".symtab") == nil && f.Section(".debug_info") == nil; strip != b.Strip {
				t.Errorf("stripped: %v", strip)
			}
			libs, err := f.ImportedLibraries()
			if cgo := err == nil && strings.Contains(strings.Join(libs, " "), "libc"); cgo != b.CGO {
				t.Errorf("linked with %v (%v)", libs, err)
			}
			if again := target.Compile(t, "labels", b); again != exe {
				t.Errorf("built again, as %s", again)
			}
		})
	}
}

// Programs that are built by old releases have no language of newer ones, which only the whole matrix would tell.
func TestOldLanguage(t *testing.T) {
	for _, name := range []string{"brief", "capture", "churn", "crypto", "execs", "faults", "frames", "jit", "labels", "leaf", "mortal",
		"oracle", "orphans", "parked", "peers", "server", "shares", "spin", "states", "waits"} {
		target.Compile(t, name, target.Build{GCFlags: "github.com/mayfly-profiler/mayfly/testdata/...=-lang=go1.21"})
	}
}

// Every program says ready, runs until told to end, and tells its truth.
func TestPrograms(t *testing.T) {
	for _, name := range []string{"labels", "server", "idle", "threads", "tickphase", "spin", "leaf"} {
		t.Run(name, func(t *testing.T) {
			x := target.Start(t, target.Compile(t, name, target.Build{}))
			time.Sleep(100 * time.Millisecond)
			var truth struct {
				Wall time.Duration `json:"wall_ns"`
				CPU  time.Duration `json:"cpu_ns"`
			}
			x.Truth(&truth)
			if truth.Wall < 100*time.Millisecond || truth.CPU <= 0 {
				t.Errorf("%+v in %q", truth, x.Lines())
			}
		})
	}
}

func TestFieldAndKill(t *testing.T) {
	x := target.Start(t, target.Compile(t, "server", target.Build{}), "-pprof", "127.0.0.1:0", "-clients", "1")
	if addr := x.Field("http"); !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("http=%s in %q", addr, x.Ready)
	}
	x.Kill()
	x.Kill() // once more is fine
}

func TestWait(t *testing.T) {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-d", "50ms", "-n", "1")
	x.Wait()
	var truth struct{ Work uint64 }
	if x.Truth(&truth); truth.Work == 0 {
		t.Errorf("no work: %q", x.Lines())
	}
}
