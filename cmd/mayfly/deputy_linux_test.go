package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
