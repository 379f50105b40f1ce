package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// A service whose orders become slow while it is watched: the breach is seen, its cause is named, and the time before is there to
// compare with.
func TestWatch(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "fulfil", target.Build{Module: true}), "-cause", "lock", "-late", "8s", "-burst", "100")
	s := start(t, nil, "watch", "-v", "--slo", "p99(endpoint=/fulfil)<1s", "-p", pid(x), "--window", "3s", "--after", "1s", "--json",
		"--exec", `/bin/sh -c 'echo "$BREACH_REPORT" > hook; cat >> hook' sh`)
	s.until("the breach", func() bool { return strings.Contains(s.stdout.String(), "\n") })
	hook := filepath.Join(s.cmd.Dir, "hook")
	s.until("the hook", func() bool { b, err := os.ReadFile(hook); return err == nil && strings.HasSuffix(string(b), "}\n") })
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.wait(); code != codeRegression {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	var event struct {
		Time    time.Time
		Verdict report.Verdict
		Cause   *struct{ Kind, Function string }
		Files   breachFiles
	}
	if err := json.Unmarshal(s.stdout.Bytes(), &event); err != nil {
		t.Fatalf("%v: %s", err, s.stdout.String())
	}
	t.Logf("%+v\n%s", event.Cause, s.stderr.String())
	var truth struct {
		Begun int64 `json:"begun_ns"`
	}
	x.Truth(&truth)
	if late := event.Time.Sub(time.Unix(0, truth.Begun)); late < 0 || late > patience {
		t.Errorf("seen %v after the cause had begun", late)
	}
	c := event.Cause
	if event.Verdict == report.Broken && (c == nil || c.Kind != timeline.Lock.String() || !strings.Contains(c.Function, "book")) {
		t.Errorf("cause %+v", c)
	}
	if said := string(readFile(t, hook)); said != event.Files.Report+"\n"+s.stdout.String() {
		t.Errorf("the hook got %q", said)
	}
	for _, path := range []string{event.Files.Profile, event.Files.Report, event.Files.JSON} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", path, err)
		}
	}
	s.sameLength(event.Files)
}

// sameLength holds the healthy recording, if the machine let the service be healthy for as long, against the other one.
func (s *session) sameLength(files breachFiles) {
	s.t.Helper()
	bad, err := readProfile(files.Profile)
	if err != nil || files.Healthy == "" {
		s.t.Fatalf("%v; the healthy recording is %q", err, files.Healthy)
	}
	good, err := readProfile(files.Healthy)
	if err != nil {
		s.t.Fatal(err)
	}
	if d := time.Duration(bad.DurationNanos - good.DurationNanos); d.Abs() > 3*time.Second || good.TimeNanos >= bad.TimeNanos {
		s.t.Errorf("the breach is %v long, the healthy time %v", time.Duration(bad.DurationNanos), time.Duration(good.DurationNanos))
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The end of the process is the end of the watch, which says so; without a breach the exit code is 0, and nothing is written.
func TestWatchEnds(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-d", "6s")
	s := start(t, nil, "watch", "--slo", "p99<1s", "-p", pid(x))
	if code := s.wait(); code != codeOK || !strings.Contains(s.stderr.String(), "the target exited") {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	if left, _ := os.ReadDir(filepath.Join(s.cmd.Dir, "mayfly-watch")); len(left) != 0 || s.stdout.String() != "" {
		t.Errorf("%v, %q", left, s.stdout.String())
	}
}

// On a full disk a breach is told all the same, and the watch goes on.
func TestWatchFullDisk(t *testing.T) {
	target.Need(t, bpf.Probe())
	dir := fullDisk(t)
	x := target.Start(t, target.Compile(t, "fulfil", target.Build{Module: true}), "-cause", "lock")
	s := start(t, nil, "watch", "--slo", "p99(endpoint=/fulfil)<50ms", "-p", pid(x), "--window", "2s", "--after", "500ms", "--no-trace",
		"-o", dir)
	s.until("the breach", func() bool { return strings.Contains(s.stdout.String(), "\n") })
	s.until("what could not be written", func() bool { return strings.Contains(s.stderr.String(), "no space left") })
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.wait(); code != codeRegression {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
