package target

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Group puts a process into a control group (version 2) of its own, until the test ends or leave is called. It skips the test where that
// cannot be done.
func Group(t testing.TB, pid int) (leave func()) {
	t.Helper()
	root := "/sys/fs/cgroup"
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err == nil && st.Type != unix.CGROUP2_SUPER_MAGIC {
		root += "/unified"
	}
	dir := filepath.Join(root, fmt.Sprintf("mayfly-group-%d", pid))
	Need(t, os.Mkdir(dir, 0o755))
	before := filepath.Join(root, groupOf(pid))
	move := func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(fmt.Sprint(pid)), 0)
	}
	leave = func() { _ = move(before) }
	t.Cleanup(func() {
		leave()
		os.Remove(dir)
	})
	Need(t, move(dir))
	return leave
}

// groupOf is a process's path in the hierarchy of version 2.
func groupOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	for line := range strings.Lines(string(text)) {
		if at, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return at
		}
	}
	return "/"
}
