package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Two processes beside one that is not there: an object for each of the two, a line for the third.
func TestTopSeveral(t *testing.T) {
	target.Need(t, bpf.Probe())
	labels := target.Start(t, target.Compile(t, "labels", target.Build{}))
	spin := target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", "1", "-parked", "5")
	s := start(t, nil, "top", "-p", pid(labels), "-p", pid(spin)+",999999999", "--once", "--json")
	if code := s.wait(); code != codeFailed {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	s.oneLineOf("record 999999999: ")
	seen := make(map[int]topReport)
	for d := json.NewDecoder(&s.stdout); d.More(); {
		var r topReport
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		seen[r.PID] = r
	}
	if len(seen) != 2 || seen[labels.PID].Program == "" {
		t.Errorf("objects of %d processes: %+v", len(seen), seen)
	}
	if r := seen[spin.PID].Total; r.CPU == 0 || r.Goroutines < 6 || r.States["running"] == 0 || r.States["select (no cases)"] == 0 {
		t.Errorf("one that spins, with 5 that wait: %+v", r)
	}
	s = start(t, nil, "top", "-p", pid(labels), "-p", pid(spin), "--once")
	if code := s.wait(); code != 0 || strings.Count(s.stdout.String(), "\n"+pid(spin)+" ") != 1 ||
		strings.Count(s.stdout.String(), "\n"+pid(labels)+" ") != 1 || !strings.Contains(s.stdout.String(), "2 processes; mayfly takes ") {
		t.Errorf("exit code %d: %s%s", code, s.stderr.String(), s.stdout.String())
	}
}

// With --all a process that begins later is found, and its end is said.
func TestTopAll(t *testing.T) {
	target.Need(t, bpf.Probe())
	r, w := io.Pipe()
	defer r.Close()
	s := start(t, func(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = w, w }, "top", "--all", "--json", "--every", "300ms")
	defer s.cmd.Process.Kill()
	time.AfterFunc(patience, func() { w.CloseWithError(context.DeadlineExceeded) })
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	until := func(what func(line string) bool) {
		t.Helper()
		for lines.Scan() {
			if what(lines.Text()) {
				return
			}
		}
		t.Fatalf("it did not come: %v", lines.Err())
	}
	until(func(string) bool { return true }) // it has looked
	x := target.Start(t, target.Compile(t, "idle", target.Build{}))
	until(func(line string) bool {
		var got topReport
		return json.Unmarshal([]byte(line), &got) == nil && got.PID == x.PID
	})
	x.Kill()
	until(func(line string) bool { return line == "mayfly: "+pid(x)+": the target exited" })
	go io.Copy(io.Discard, r)
	s.cmd.Process.Signal(syscall.SIGINT)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
