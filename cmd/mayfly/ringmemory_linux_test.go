package main

import (
	"os"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// A flight recorder keeps within its bound beside goroutines whose labels are all as long as a label may be, and all different.
func TestRingLongLabels(t *testing.T) {
	target.Need(t, bpf.Probe())
	const goroutines = 2000
	x := target.Start(t, target.Compile(t, "labels", target.Build{}), "-long", "2000")
	s := start(t, nil, "record", "-p", pid(x), "--ring", "2s", "--after", "0", "--cool-down", "0", "--ring-files", "1",
		"--on", "SIGUSR2")
	s.until("the recording", func() bool { return strings.Contains(s.stderr.String(), "keeping the last") })
	for last := ""; len(s.triggered(&last).Sample) < goroutines; { // until all of them are in a window
	}
	memory := memoryWatch{pid: s.cmd.Process.Pid}
	used, ok := memory.status("VmHWM") // of this program: what rusage says is that of the test, too, before it was executed
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	f := ringFlags{limit: 160}
	bound := int(f.memoryBound(goroutines))
	t.Logf("%d MiB resident at most, bound %d MiB", used>>20, bound>>20)
	if !ok || used > bound {
		t.Error("more memory than the bound")
	}
}
