package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// What each set of rights allows, and the one line that names the one that is missing. The rights
// are given to an unprivileged user one by one.
func TestRecordRights(t *testing.T) {
	needRoot(t, "hand out rights one by one")
	target.Need(t, bpf.Probe())
	exe := publicCopy(t, target.Compile(t, "spin", target.Build{}))
	roots := target.Start(t, exe)
	nobodys := exec.Command(exe)
	nobodys.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	stdin, _ := nobodys.StdinPipe()
	stdout, _ := nobodys.StdoutPipe()
	if err := nobodys.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stdin.Close(); nobodys.Wait() }()
	own := strconv.Itoa(nobodys.Process.Pid)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v, want that it is ready", line, err)
	}

	for _, tt := range []struct {
		name string
		caps []uintptr
		pid  string
		want string // "" for a recording
	}{
		{"none", nil, own, "CAP_BPF and CAP_PERFMON"},
		{"CAP_BPF only", []uintptr{unix.CAP_BPF}, own, "CAP_PERFMON"},
		{"CAP_PERFMON only", []uintptr{unix.CAP_PERFMON}, own, "CAP_BPF"},
		{"none, another user's", nil, pid(roots), "sudo mayfly record, or sudo setcap cap_sys_ptrace+ep mayfly; mayfly doctor " + pid(roots)},
		{"both", []uintptr{unix.CAP_BPF, unix.CAP_PERFMON}, own, ""},
		{"both, another user's", []uintptr{unix.CAP_BPF, unix.CAP_PERFMON}, pid(roots), "CAP_SYS_PTRACE"},
		{"all three, another user's", []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_PTRACE}, pid(roots), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, as(t, tt.caps), "record", "-q", "--engine", "ebpf", "--mode", "cpu", "-d", "1s", "-p", tt.pid)
			code := s.wait()
			if tt.want == "" {
				if code != 0 || !hasFunction(s.profile("mayfly.pb.gz"), "main.(*worker).descend") {
					t.Errorf("exit code %d: %s", code, s.stderr.String())
				}
				return
			}
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
			s.oneLineOf(tt.want)
		})
	}
	t.Run("dump", func(t *testing.T) {
		s := start(t, as(t, nil), "dump", "-p", pid(roots))
		s.wait()
		s.oneLineOf("mayfly: dump " + pid(roots) + " (spin): proc: /proc/" + pid(roots) + "/")
		s.oneLineOf(": sudo mayfly dump, or sudo setcap cap_sys_ptrace+ep mayfly; mayfly doctor " + pid(roots) + " says more")
	})
	// Without eBPF the next rung: perf events, or where those are forbidden too the table alone.
	for _, mode := range []string{"wall", "cpu"} {
		t.Run(mode+" without eBPF", func(t *testing.T) {
			s := start(t, as(t, nil), "record", "-q", "--mode", mode, "-d", "1s", "-p", own)
			if code := s.wait(); code != 0 {
				t.Fatalf("exit code %d: %s", code, s.stderr.String())
			}
			if got := s.stderr.String(); !strings.Contains(got, "what is on a CPU: load eBPF: permission denied: needs CAP_BPF and CAP_PERFMON") {
				t.Errorf("stderr %q", got)
			}
			p := s.profile("mayfly.pb.gz")
			perf := strings.Contains(strings.Join(p.Comments, "\n"), "mayfly.engine.cpu=perf")
			if hasFunction(p, "main.(*worker).descend") != perf || mode == "wall" && !hasFunction(p, "runtime.gopark") {
				t.Errorf("by perf events: %v; stacks of what runs: %v", perf, hasFunction(p, "main.(*worker).descend"))
			}
		})
	}
	t.Run("the table alone", func(t *testing.T) {
		s := start(t, as(t, nil), "record", "-q", "--engine", "table", "-d", "1s", "-p", own)
		if code := s.wait(); code != 0 {
			t.Fatalf("exit code %d: %s", code, s.stderr.String())
		}
		p := s.profile("mayfly.pb.gz")
		running := int64(0)
		for _, sm := range p.Sample {
			if sm.Label["go.state"][0] == "running" {
				running += sm.Value[1]
			}
		}
		if !hasFunction(p, "runtime.gopark") || running == 0 {
			t.Errorf("%d ns running, parked stacks: %v", running, hasFunction(p, "runtime.gopark"))
		}
	})
	t.Run("memlock", func(t *testing.T) { // counts for nothing since Linux 5.11
		s := start(t, func(c *exec.Cmd) {
			as(t, []uintptr{unix.CAP_BPF, unix.CAP_PERFMON})(c)
			path := c.Path
			c.Path, c.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -l 0; exec "$0" "$@"`, path}, c.Args[1:]...)
		}, "record", "-q", "--mode", "cpu", "-d", "1s", "-p", own)
		if code := s.wait(); code != 0 {
			t.Errorf("exit code %d: %s", code, s.stderr.String())
		}
	})
}

const nobody = 65534

func needRoot(t *testing.T, why string) {
	t.Helper()
	if os.Getuid() != 0 {
		target.Need(t, fmt.Errorf("%s: needs root: %w", why, fs.ErrPermission))
	}
}

// as runs mayfly as an unprivileged user with the given capabilities and no others.
func as(t *testing.T, caps []uintptr) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		path, err := exec.LookPath("mayfly")
		if err != nil {
			t.Fatal(err)
		}
		c.Path = publicCopy(t, path)
		c.Dir = filepath.Dir(c.Path)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: caps}
	}
}

// publicCopy copies an executable to a folder that every user can read and write.
func publicCopy(t *testing.T, path string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mayfly-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, filepath.Base(path))
	copyFile(t, path, to, nil)
	return to
}

// Profiler and target in a PID namespace of their own.
func TestRecordInPIDNamespace(t *testing.T) {
	needRoot(t, "make a PID namespace")
	target.Need(t, bpf.Probe())
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		target.Need(t, fmt.Errorf("%w: %w", errors.ErrUnsupported, err))
	}
	spin := target.Compile(t, "spin", target.Build{})
	s := start(t, func(c *exec.Cmd) {
		path, err := exec.LookPath("mayfly")
		if err != nil {
			t.Fatal(err)
		}
		c.Path = unshare
		c.Args = []string{"unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
			spin + ` -d 20s >/dev/null & sleep 0.5; ` + path + ` record -q -d 1s -p $!; code=$?; kill $!; exit $code`}
	})
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	p := s.profile("mayfly.pb.gz")
	labelled := 0
	for _, sm := range p.Sample {
		if ownLabels(sm) == 3 {
			labelled++
		}
	}
	if labelled == 0 || !hasFunction(p, "main.(*worker).descend") {
		t.Errorf("%d of %d samples have their labels", labelled, len(p.Sample))
	}
}
