package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/overhead"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Cost records and leaves alone in turns until Ctrl-C, and then says what there is.
func TestCost(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	s := start(t, nil, "cost", "-p", fmt.Sprint(x.PID), "--json", "--window", "100ms", "-d", "10m", "-v")
	s.until("a second recording, before which a block was over", func() bool { return strings.Contains(s.stderr.String(), "in mode wall") })
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	var r overhead.Result
	if err := json.Unmarshal(s.stdout.Bytes(), &r); err != nil {
		t.Fatalf("%s: %v", s.stdout.String(), err)
	}
	if r.PID != x.PID || r.CPUs <= 0 || r.Window != 0.1 || len(r.Modes) != 2 || r.Blocks() == 0 {
		t.Errorf("%+v", r)
	}
	for i, name := range []string{"cpu", "wall"} {
		m := r.Modes[i]
		if m.Mode != name || m.Error != "" || m.Blocks > 0 && (m.Own <= 0 || m.CPU == nil || m.Work != nil) {
			t.Errorf("%+v", m)
		}
	}
	t.Logf("%s", s.stdout.String())
}

// Without a block that is over in time there is no result: 500 ms are less than four windows and the settling of a recording take.
func TestCostOfNothing(t *testing.T) {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	s := start(t, nil, "cost", "-p", fmt.Sprint(x.PID), "--window", "125ms", "-d", "500ms")
	if code := s.wait(); code != 1 || s.stdout.Len() > 0 {
		t.Errorf("exit code %d: %s%s", code, s.stdout.String(), s.stderr.String())
	}
}
