package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// fromStart are builds that begin in different ways: at once, with relocations, with the dynamic loader.
func fromStart() []target.Build {
	return []target.Build{{}, {Strip: true}, {PIE: true}, {CGO: true, PIE: true}}
}

// A command that is over after some milliseconds is sampled from its first instruction to its last:
// the number of samples is what its CPU time makes expect, and what it does before main is there.
func TestRecordBriefCommand(t *testing.T) {
	for _, b := range fromStart() {
		exe := target.Compile(t, "brief", b)
		for _, engine := range []string{"ebpf", "perf"} {
			t.Run(b.String()+"/"+engine, func(t *testing.T) {
				if engine == "ebpf" {
					target.Need(t, bpf.Probe())
				}
				brief(t, exe, "--engine", engine, "-F", "4999")
			})
		}
	}
}

func brief(t *testing.T, exe string, args ...string) {
	var counted, rusage, before, unknown, all int64
	for _, mode := range []string{"cpu", "wall", "cpu", "wall"} {
		s := start(t, nil, append(append([]string{"record", "--json", "--mode", mode}, args...), "--", exe)...)
		if code := s.wait(); code != 0 {
			t.Fatalf("exit code %d: %s", code, s.stderr.String())
		}
		var sum profiler.Summary
		if err := json.Unmarshal(s.stdout.Bytes(), &sum); err != nil {
			t.Fatal(err)
		}
		counted, rusage = counted+sum.CPU.Counted, rusage+sum.CPU.Rusage
		for _, sm := range s.profile("mayfly.pb.gz").Sample {
			stack := names(sm)
			all += sm.Value[0]
			if strings.Contains(stack, "main.prepare") {
				before += sm.Value[0]
			}
			if strings.Contains(stack, "[unknown]") || strings.Contains(stack, "[unwalked]") {
				unknown += sm.Value[0]
			}
		}
	}
	if counted < rusage*70/100 { // beside others a hypervisor takes some
		t.Errorf("samples for %d of %d ms of CPU time", counted/1e6, rusage/1e6)
	}
	if before < all/10 || unknown > all/20 {
		t.Errorf("of %d samples %d of what is done before main, %d of nobody knows what", all, before, unknown)
	}
}

// names are the functions of a sample, leaf first.
func names(s *profile.Sample) string {
	var all []string
	for _, l := range s.Location {
		for _, ln := range l.Line {
			all = append(all, ln.Function.Name)
		}
	}
	return strings.Join(all, " < ")
}

// What a command prints is not to get into our data.
func TestRecordCommandStdout(t *testing.T) {
	target.Need(t, bpf.Probe())
	labels := target.Compile(t, "labels", target.Build{})
	s := start(t, nil, "record", "-q", "-o", "-", "--", labels, "-d", "100ms")
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	if _, err := profile.Parse(bytes.NewReader(s.stdout.Bytes())); err != nil || !strings.Contains(s.stderr.String(), "ready") {
		t.Errorf("%v; stdout %.60q, stderr %.60q", err, s.stdout.String(), s.stderr.String())
	}
	for _, args := range [][]string{{"record", "-q", "--json"}, {"compare", "-d", "1s", "--default", "none", "--json"}} {
		s = start(t, nil, append(args, "--", labels, "-d", "100ms")...)
		s.wait()
		if !json.Valid(s.stdout.Bytes()) || !strings.Contains(s.stderr.String(), "ready") {
			t.Errorf("%s: stdout %.100q, stderr %.100q", args[0], s.stdout.String(), s.stderr.String())
		}
	}
}

// Of a process that lets others do the work it is said how much, and who.
func TestRecordChildren(t *testing.T) {
	target.Need(t, bpf.Probe())
	exe := target.Compile(t, "brief", target.Build{})
	s := start(t, nil, "record", "--", exe, "-workers", "2", "-burn", "200ms")
	if code := s.wait(); code != 0 || !strings.Contains(s.stderr.String(), " of CPU time here, 0.4") ||
		!strings.Contains(s.stderr.String(), "in children; ") {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	parent := exec.Command(exe, "-workers", "2", "-burn", "30s")
	parent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Wait()
	defer syscall.Kill(-parent.Process.Pid, syscall.SIGKILL)
	s = start(t, nil, "record", "-d", "1500ms", "-p", strconv.Itoa(parent.Process.Pid))
	if code := s.wait(); code != 0 || !regexp.MustCompile(`in children: \d+ brief, \d+ brief; .* mayfly record -p \d`).
		MatchString(s.stderr.String()) {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
}

// Of go run the program is recorded and not the go command, wherever it writes.
func TestRecordGoRun(t *testing.T) {
	target.Need(t, bpf.Probe())
	dir, err := filepath.Abs("../../testdata/brief")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, nil, "record", "-q", "-o", "x.pb.gz", "-F", "4999", "--", "go", "run", "-C", dir, ".", "-burn", "50ms")
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	if p := s.profile("x.pb.gz"); !hasFunction(p, "main.work") || hasFunction(p, "cmd/go/internal/run.runRun") {
		t.Error("this is not the program's profile")
	}
	s = start(t, nil, "record", "-o", "-", "--", "go", "run", "-exec", "env", dir)
	if code := s.wait(); code != 2 {
		t.Errorf("exit code %d", code)
	}
	s.oneLineOf("go run has an -exec of its own")
}

func TestGoRunFlags(t *testing.T) {
	for _, tt := range []struct {
		args string
		own  bool // has an -exec
	}{
		{"go run .", false},
		{"go run -race -tags a,b . -exec x", false},
		{"go run -tags -exec . x", false},
		{"go run -n --exec=x .", true},
		{"go run -ldflags -s -exec x .", true},
	} {
		if got := goFlag(goRunFlags(strings.Fields(tt.args)), "exec"); got != tt.own {
			t.Errorf("%s: %v", tt.args, got)
		}
	}
}
