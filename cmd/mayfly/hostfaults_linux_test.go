package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// TestPrivilegedExecutableIsNoDeputy has nobody run a mayfly with rights of its own on a process of root: refused if all may
// run it, and done if it was given to nobody's group.
func TestPrivilegedExecutableIsNoDeputy(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("an executable with the rights of another user needs root to be made")
	}
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	path, err := exec.LookPath("mayfly")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		os.Chmod(at, 0o755)
	}
	exe := filepath.Join(dir, "mayfly")
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{0o755: "everybody may execute it", 0o750: "goroutine"} {
		if err := os.Chown(exe, 0, 65534); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(exe, mode|os.ModeSetuid); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(exe, "dump", "-p", pid(x))
		c.Dir = dir
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, _ := c.CombinedOutput(); !strings.Contains(string(out), want) {
			t.Errorf("mode %o: %s, want %q", mode, out, want)
		}
	}
}

// fullDisk is a folder on a file system of its own that has room for an empty file and no more, not even for a recording of nothing.
func fullDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	target.Need(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", os.Getpagesize())))
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	if err := os.WriteFile(filepath.Join(dir, "all"), make([]byte, os.Getpagesize()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// On a full disk the recording is kept elsewhere, and the error says where.
func TestFullDisk(t *testing.T) {
	target.Need(t, bpf.Probe())
	dir := fullDisk(t)
	x := target.Start(t, target.Compile(t, "labels", target.Build{}))
	temp := t.TempDir()
	s := start(t, func(c *exec.Cmd) { c.Env = append(os.Environ(), "TMPDIR="+temp) }, "record", "-q", "-d", "1s",
		"-o", filepath.Join(dir, "mayfly.pb.gz"), "-p", pid(x))
	if code := s.wait(); code != codeFailed {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	said := s.stderr.String()
	_, kept, ok := strings.Cut(strings.TrimSpace(said), "the recording is in ")
	if !ok || !strings.Contains(said, "no space left") {
		t.Fatalf("said %q", said)
	}
	p, err := readProfile(kept)
	if err != nil || len(p.Sample) == 0 {
		t.Errorf("%s: %v, %v", kept, p, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRingFullDisk has a flight recorder write two windows to a full disk: they go elsewhere, and are counted there.
func TestRingFullDisk(t *testing.T) {
	target.Need(t, bpf.Probe())
	dir, temp := fullDisk(t), t.TempDir()
	x := target.Start(t, target.Compile(t, "labels", target.Build{}))
	s := start(t, func(c *exec.Cmd) { c.Env = append(os.Environ(), "TMPDIR="+temp) }, "record", "-p", pid(x), "--ring", "1s", "--after", "0",
		"--cool-down", "0", "--ring-files", "1", "--on", "SIGUSR2", "-o", filepath.Join(dir, "mayfly.pb.gz"))
	s.until("the recording", func() bool { return strings.Contains(s.stderr.String(), "keeping the last") })
	for i := range 2 {
		s.cmd.Process.Signal(syscall.SIGUSR2)
		s.until("the window", func() bool { return strings.Count(s.stderr.String(), "the recording is in ") == i+1 })
	}
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	if kept, _ := filepath.Glob(filepath.Join(temp, "mayfly-*.pb.gz")); len(kept) != 1 {
		t.Errorf("%d windows are kept, want 1: %q", len(kept), kept)
	}
}
