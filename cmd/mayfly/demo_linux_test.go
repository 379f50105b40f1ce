package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/demo"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// demoRoles starts the demo's service and its load.
func demoRoles(t *testing.T) (demo.Ready, func()) {
	exe, err := exec.LookPath("mayfly")
	if err != nil {
		t.Fatal(err)
	}
	service, ready, err := startExecutable(exe, "service")
	if err != nil {
		t.Fatal(err)
	}
	load, _, err := startExecutable(exe, "load", ready.URL)
	if err != nil {
		t.Fatal(err)
	}
	return ready, func() { load.end(); service.end() }
}

// What the demo keeps has a timeline: report reads it, and the demo says how.
func TestDemoIsReported(t *testing.T) {
	ready, end := demoRoles(t)
	defer end()
	var out, words bytes.Buffer
	d := &demoRun{env: &env{stdout: &out, stderr: &words}, url: ready.URL, pid: ready.PID, length: time.Second}
	if err := d.record(t.Context()); err != nil {
		t.Fatal(err)
	}
	target.NeedAll(t, d.rec != nil, []string{words.String()})
	dir := t.TempDir()
	if err := d.report(dir); err != nil {
		t.Fatalf("%v: %s", err, words.String())
	}
	if text, err := exec.Command("mayfly", "report", "--worst", "3", filepath.Join(dir, demoFile)).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	if want := "mayfly report --slo '" + demoObjective + "'"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in %s", want, out.String())
	}
}
