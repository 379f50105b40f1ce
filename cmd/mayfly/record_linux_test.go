package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/internal/work"
)

// patience bounds a run of mayfly; it is no measurement.
const patience = 60 * time.Second

// session is one run of the real command in a process of its own.
type session struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr syncBuffer
}

// start runs mayfly with args; change may alter the command before it starts.
func start(t *testing.T, change func(*exec.Cmd), args ...string) *session {
	t.Helper()
	s := &session{t: t, cmd: exec.Command("mayfly", args...)}
	s.cmd.Dir = t.TempDir()
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if change != nil {
		change(s.cmd)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// wait returns the exit code.
func (s *session) wait() int {
	s.t.Helper()
	kill := time.AfterFunc(patience, func() { s.cmd.Process.Kill() })
	defer kill.Stop()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

func (s *session) profile(name string) *profile.Profile {
	s.t.Helper()
	f, err := os.Open(filepath.Join(s.cmd.Dir, name))
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.stderr.String())
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// oneLineOf fails unless stderr is a single line that contains want.
func (s *session) oneLineOf(want string) {
	s.t.Helper()
	got := s.stderr.String()
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, want) || !strings.HasPrefix(got, "mayfly: ") {
		s.t.Errorf("stderr %q, want one line with %q", got, want)
	}
}

func hasFunction(p *profile.Profile, name string) bool {
	for _, f := range p.Function {
		if f.Name == name {
			return true
		}
	}
	return false
}

func pid(x *target.Target) string { return strconv.Itoa(x.PID) }

// However a recording ends, the file is whole.
func TestRecordEnds(t *testing.T) {
	target.Need(t, bpf.Probe())
	exe := target.Compile(t, "spin", target.Build{})
	for _, tt := range []struct {
		name string
		args []string // of record
		d    string   // of the target
		end  func(s *session, x *target.Target)
		want string
	}{
		{"duration", []string{"-d", "1"}, "", nil, "duration reached"},
		{"exit", []string{"-d", "60s"}, "2s", nil, "the target exited"},
		{"kill", []string{"-d", "60s"}, "", func(s *session, x *target.Target) { x.Kill() }, "the target exited"},
		{"interrupt", []string{"-d", "60s"}, "", func(s *session, x *target.Target) { s.cmd.Process.Signal(os.Interrupt) }, "interrupted"},
		{"term", []string{"-d", "60s"}, "", func(s *session, x *target.Target) { s.cmd.Process.Signal(syscall.SIGTERM) }, "interrupted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var args []string
			if tt.d != "" {
				args = []string{"-d", tt.d}
			}
			x := target.Start(t, exe, args...)
			s := start(t, nil, append([]string{"record", "-v", "-p", pid(x)}, tt.args...)...)
			if tt.end != nil {
				s.recording()
				time.Sleep(time.Second)
				tt.end(s, x)
			}
			if code := s.wait(); code != 0 {
				t.Fatalf("exit code %d: %s", code, s.stderr.String())
			}
			p := s.profile("mayfly.pb.gz")
			if !hasFunction(p, "main.(*worker).descend") {
				t.Errorf("the spinning function is not in the profile")
			}
			if c := strings.Join(p.Comments, "\n"); !strings.Contains(c, "mayfly.end="+tt.want) {
				t.Errorf("comments %s, want end %q", c, tt.want)
			}
		})
	}
}

// recording waits until mayfly says that it records (-v).
func (s *session) recording() {
	s.t.Helper()
	for begin := time.Now(); !strings.Contains(s.stderr.String(), "recording"); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			s.t.Fatalf("does not record: %s", s.stderr.String())
		}
	}
}

// What is replaced on disk is still what runs.
func TestRecordReplacedBinary(t *testing.T) {
	target.Need(t, bpf.Probe())
	exe := filepath.Join(t.TempDir(), "spin")
	copyFile(t, target.Compile(t, "spin", target.Build{}), exe, nil)
	x := target.Start(t, exe)
	if err := os.Remove(exe); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, []byte("something else"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := start(t, nil, "record", "-d", "1s", "-p", pid(x))
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	if p := s.profile("mayfly.pb.gz"); !hasFunction(p, "main.(*worker).descend") || p.Mapping[0].File != exe {
		t.Errorf("main mapping %q; functions resolved: %v", p.Mapping[0].File, hasFunction(p, "main.(*worker).descend"))
	}
}

func copyFile(t *testing.T, from, to string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		b = change(b)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
}

// A runtime that no table knows, without DWARF: its code says where goroutines and labels are, and
// one line says what is missing all the same.
func TestRecordUnknownVersion(t *testing.T) {
	target.Need(t, bpf.Probe())
	exe := filepath.Join(t.TempDir(), "spin")
	copyFile(t, target.Compile(t, "spin", target.Build{Strip: true}), exe, func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("go1.26."), []byte("go1.96."))
	})
	x := target.Start(t, exe)
	s := start(t, nil, "record", "-q", "-d", "1s", "-p", pid(x))
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	s.oneLineOf("schedt.stwTotalTimeGC")
	p := s.profile("mayfly.pb.gz")
	if !hasFunction(p, "main.(*worker).descend") {
		t.Error("the spinning function is not in the profile")
	}
	labelled := 0
	for _, sm := range p.Sample {
		if len(sm.Label["worker"]) > 0 {
			labelled++
		}
	}
	if labelled == 0 {
		t.Errorf("no labels in %d samples", len(p.Sample))
	}
}

func TestRecordRefuses(t *testing.T) {
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleep.Process.Kill(); sleep.Wait() }()
	other := strconv.Itoa(sleep.Process.Pid)
	me := strconv.Itoa(os.Getpid())
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-p", "999999999"}, 1, "no such process"},
		{[]string{"-p", other}, 1, "not a Go executable"},
		{[]string{"-p", me, "-o", "/dev/null/x.pb.gz"}, 1, "not a directory"},
		{[]string{"-p", me, "-o", "."}, 1, "is a folder"},
		{[]string{"--", "sleep", "1"}, 1, "/sleep: "},
		{[]string{"--", "no-such-command"}, 1, "not found"},
		{nil, 2, "-p PID"},
		{[]string{"-p", me, "--", "x"}, 2, "not both"},
		{[]string{"-p", "-3"}, 2, "not a PID"},
		{[]string{"-p", me, "-F", "0"}, 2, "not between"},
		{[]string{"-p", me, "-F", "1000000"}, 2, "not between"},
		{[]string{"-p", me, "--format", "jfr"}, 2, "pprof, folded"},
		{[]string{"-p", me, "--engine", "magic"}, 2, "ebpf, perf, table"},
		{[]string{"-p", me, "--engine", "runtime"}, 2, "own process"},
		{[]string{"-p", me, "-d", "soon"}, 2, "no duration"},
		{[]string{"-p", me, "--json", "-o", "-"}, 2, "stdout"},
		{[]string{"4242"}, 2, "did you mean -p 4242? A command to start goes after --"},
		{[]string{"server"}, 2, "after --"},
		{[]string{"-p", "abc"}, 2, `invalid argument "abc" for "-p, --pid" flag: not a number (see`},
		{[]string{"-p", "99999999999999999999"}, 2, "flag: out of range (see"},
	} {
		s := start(t, nil, append([]string{"record"}, tt.args...)...)
		if code := s.wait(); code != tt.code {
			t.Errorf("%q: exit code %d, want %d", tt.args, code, tt.code)
		}
		s.oneLineOf(tt.want)
		if left, _ := filepath.Glob(filepath.Join(s.cmd.Dir, "*")); len(left) > 0 {
			t.Errorf("%q left %v", tt.args, left)
		}
	}
}

func TestRecordDiskFull(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	s := start(t, nil, "record", "-q", "-d", "1s", "-o", "/dev/full", "-p", pid(x))
	if code := s.wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	s.oneLineOf("write /dev/full: no space left on device")
}

func TestRecordCommand(t *testing.T) {
	target.Need(t, bpf.Probe())
	labels := target.Compile(t, "labels", target.Build{})
	s := start(t, nil, "record", "-q", "-o", "x.pb.gz", "--", labels, "-d", "1s")
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	p := s.profile("x.pb.gz")
	if !hasFunction(p, "main.burn40") || !hasFunction(p, "runtime.schedinit") && !hasFunction(p, "runtime.main") {
		t.Error("the profile does not begin with the program")
	}
	if !strings.Contains(s.stdout.String(), "ready") {
		t.Errorf("the command's output is gone: %q", s.stdout.String())
	}
	if w := work.Read(p.Comments); w.Runs != 1 || w.CPU < 100*time.Millisecond || w.Wall < time.Second {
		t.Errorf("the work of one run: %+v", w)
	}
	s = start(t, nil, "record", "-d", "300ms", "-o", "y.pb.gz", "--", labels, "-d", "1s")
	if code := s.wait(); code != 0 || !strings.HasSuffix(s.stderr.String(), "mayfly: waiting for the command to end; Ctrl-C ends it\n") {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	if w := work.Read(s.profile("y.pb.gz").Comments); w.Known() {
		t.Errorf("the work of a run that was not recorded to its end: %+v", w)
	}
	s = start(t, nil, "record", "-q", "--", labels, "-no-such-flag")
	if code := s.wait(); code != 2 {
		t.Errorf("exit code %d of a command that exits with 2", code)
	}
}

func TestRecordStdoutAndJSON(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	s := start(t, nil, "record", "-q", "-d", "1s", "-o", "-", "--format", "folded", "-p", pid(x))
	if code := s.wait(); code != 0 || !strings.Contains(s.stdout.String(), ";main.(*worker).descend") {
		t.Errorf("exit code %d, stdout %.200q", code, s.stdout.String())
	}
	s = start(t, nil, "record", "-q", "-d", "1s", "--json", "-p", pid(x))
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	for _, key := range []string{`"rate_reached_hz": `, `"cpu_rusage_ns": `, `"output": "mayfly.pb.gz"`, `"duration_ns": `,
		`"engine.cpu": "ebpf"`, `"denied": `} {
		if !strings.Contains(s.stdout.String(), key) {
			t.Errorf("no %s in %s", key, s.stdout.String())
		}
	}
}

// Every thread of 200 is sampled.
func TestRecordManyThreads(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "threads", target.Build{}))
	s := start(t, nil, "record", "-q", "--goroutines", "-d", "3s", "-p", pid(x))
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	seen := make(map[int64]bool)
	for _, sm := range s.profile("mayfly.pb.gz").Sample {
		for _, id := range sm.NumLabel["go.id"] {
			seen[id] = true
		}
	}
	if len(seen) < 195 {
		t.Errorf("%d goroutines seen, each locked to one of 200 threads", len(seen))
	}
}

// go tool pprof and the compiler read the file as it is and say nothing about it.
func TestToolsReadTheFile(t *testing.T) {
	target.Need(t, bpf.Probe())
	dir := t.TempDir()
	exe := target.Compile(t, "labels", target.Build{})
	file := filepath.Join(dir, "x.pb.gz")
	s := start(t, nil, "record", "-q", "-o", file, "--", exe, "-d", "1s")
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	for _, args := range [][]string{
		{"-top"}, {"-tags"}, {"-top", "-tagroot=set"}, {"-list=main.burn40"}, {"-traces"}, {"-raw"},
		{"-svg", "-output=" + filepath.Join(dir, "x.svg")},
	} {
		if strings.HasPrefix(args[0], "-svg") {
			if _, err := exec.LookPath("dot"); err != nil {
				continue // graphviz draws; nothing of ours
			}
		}
		c := exec.Command("go", append(append([]string{"tool", "pprof"}, args...), file)...)
		c.Env = append(os.Environ(), "PPROF_TMPDIR="+dir)
		out, errs := run2(t, c)
		if strings.Contains(errs, "Warning") || strings.Contains(errs, "rror") || strings.Contains(errs, "ymboliz") {
			t.Errorf("pprof %q: %s", args, errs)
		}
		if args[0] == "-top" && !strings.Contains(out, "main.burn") {
			t.Errorf("pprof %q: %s", args, out)
		}
	}
	c := exec.Command("go", "build", "-pgo="+file, "-o", filepath.Join(dir, "labels"), ".")
	c.Dir = filepath.Join("..", "..", "testdata", "labels")
	if out, errs := run2(t, c); out+errs != "" {
		t.Errorf("go build -pgo: %s%s", out, errs)
	}
}

func run2(t *testing.T, c *exec.Cmd) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr, c.Stdin = &out, &errs, nil
	if err := c.Run(); err != nil {
		t.Fatalf("%q: %v\n%s", c.Args, err, errs.String())
	}
	return out.String(), errs.String()
}

// syncBuffer is a buffer that may be read while a process writes to it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
