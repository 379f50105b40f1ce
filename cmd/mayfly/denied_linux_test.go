package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	seccomp "github.com/elastic/go-seccomp-bpf"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

func init() { programs["sandbox"] = sandbox }

// sandbox executes a command that some system calls are denied to, as in a container:
//
//	sandbox bpf,perf_event_open mayfly record ...
func sandbox() {
	err := seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: os.Getuid() != 0,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls:      []seccomp.SyscallGroup{{Action: seccomp.ActionErrno, Names: strings.Split(os.Args[1], ",")}},
		},
	})
	path, perr := exec.LookPath(os.Args[2])
	if err == nil && perr == nil {
		err = syscall.Exec(path, os.Args[2:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "sandbox:", err, perr)
	os.Exit(100)
}

// What a sandbox denies is missing from the recording, and it says so; the rest is there.
func TestRecordDenied(t *testing.T) {
	needRoot(t, "deny system calls one by one")
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "peers", target.Build{}), "-dir", t.TempDir())
	for _, tt := range []struct {
		calls   string
		missing string // "" for nothing
		without []string
	}{
		{"process_vm_readv", "", nil}, // /proc/PID/mem does it
		{"pidfd_getfd", "who goroutines wait for", []string{"go.peer"}},
		{"bpf", "kernel stacks of what is on a CPU", nil}, // perf events do the rest
		{"perf_event_open", "stacks and kernel time of what is on a CPU", nil},
		{"process_vm_readv,bpf,perf_event_open,pidfd_getfd", "stacks and kernel time of what is on a CPU", []string{"go.peer"}},
		{"pidfd_open", "who goroutines wait for", []string{"go.peer"}},
	} {
		t.Run(tt.calls, func(t *testing.T) {
			denied := func(c *exec.Cmd) { deny(t, c, tt.calls) }
			if got := lacks(t, x, denied); (got > lacks(t, x, nil)) != (tt.missing != "") {
				t.Errorf("the doctor finds %d things amiss, and without the sandbox %d", got, lacks(t, x, nil))
			}
			s := start(t, denied, "record", "-q", "-d", "2s", "-p", pid(x))
			if code := s.wait(); code != 0 {
				t.Fatalf("exit code %d: %s", code, s.stderr.String())
			}
			said := s.stderr.String()
			if tt.missing == "" && strings.Contains(said, "missing:") || !strings.Contains(said, tt.missing) {
				t.Errorf("stderr %q", said)
			}
			p := s.profile("mayfly.pb.gz")
			waited := time.Duration(0)
			labels := make(map[string]bool)
			for _, sm := range p.Sample {
				if slices.Contains(sm.Label["go.state"], "IO wait") {
					waited += time.Duration(sm.Value[4])
				}
				for key := range sm.Label {
					labels[key] = true
				}
			}
			for _, key := range []string{"go.peer", "peer", "io"} {
				if want := !slices.Contains(tt.without, key); labels[key] != want {
					t.Errorf("label %s is there: %v, want %v", key, labels[key], want)
				}
			}
			if waited < 20*time.Second {
				t.Errorf("%v of IO wait", waited)
			}
		})
	}
}

// lacks says how many things the doctor finds amiss with a recording, none of which keeps it from working.
func lacks(t *testing.T, x *target.Target, change func(*exec.Cmd)) (n int) {
	t.Helper()
	s := start(t, change, "doctor", "--json", pid(x))
	if code := s.wait(); code != 0 {
		t.Fatalf("doctor: exit code %d: %s", code, s.stderr.String())
	}
	var d diagnosis
	if err := json.Unmarshal(s.stdout.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Concat(d.Host, d.Target) {
		if c.Status != ok {
			n++
		}
	}
	return n
}

// deny makes c run behind a filter of system calls.
func deny(t *testing.T, c *exec.Cmd, calls string) {
	t.Helper()
	path, err := exec.LookPath("sandbox")
	if err != nil {
		t.Fatal(err)
	}
	c.Path, c.Args = path, append([]string{"sandbox", calls}, c.Args...)
}
