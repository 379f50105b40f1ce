package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// While calls are recorded the target's code has breakpoints in it. Whatever ends mayfly takes them away, kill -9 too: the
// kernel keeps them for file descriptors of mayfly's. Then the target's code is byte for byte what it was, and nobody traces it.
func TestKilledLeavesNothing(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "server", target.Build{}), "-rps", "200")
	before := text(t, x.PID)
	s := start(t, nil, "record", "-v", "-p", pid(x), "--timeline", "--exact-requests=main.answer", "-d", "1m")
	s.recording()
	s.until("breakpoints in the target's code", func() bool { return text(t, x.PID) != before })
	s.cmd.Process.Kill()
	s.wait()
	for end := time.Now().Add(patience); text(t, x.PID) != before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the target's code is not what it was")
		}
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", x.PID)); err != nil || !strings.Contains(string(status), "TracerPid:\t0\n") {
		t.Errorf("%v: %s", err, status)
	}
}

// text is a sum of all code that a process has of its executable.
func text(t *testing.T, pid int) [sha256.Size]byte {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	all, err := proc.ParseMaps(maps)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	sum := sha256.New()
	for _, m := range all {
		if !m.Exec || !strings.HasPrefix(m.Path, "/") {
			continue
		}
		if _, err := io.Copy(sum, io.NewSectionReader(memory, int64(m.Start), int64(m.End-m.Start))); err != nil {
			t.Fatal(err)
		}
	}
	return [sha256.Size]byte(sum.Sum(nil))
}
