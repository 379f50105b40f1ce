package target

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Quota puts a process into a control group of its own that may use a share of a CPU, until the test ends. It skips the
// test where that cannot be done.
func Quota(t testing.TB, pid int, share float64) {
	t.Helper()
	const period = 50_000 // us
	files := [][2]string{{"cpu.max", fmt.Sprintf("%d %d", int(share*period), period)}}
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
		root = filepath.Join(root, "cpu") // cgroup v1
		files = [][2]string{{"cpu.cfs_period_us", fmt.Sprint(period)}, {"cpu.cfs_quota_us", fmt.Sprint(int(share * period))}}
	}
	dir := filepath.Join(root, fmt.Sprintf("mayfly-test-%d", pid))
	Need(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() {
		os.WriteFile(filepath.Join(root, "cgroup.procs"), []byte(fmt.Sprint(pid)), 0)
		os.Remove(dir)
	})
	for _, f := range append(files, [2]string{"cgroup.procs", fmt.Sprint(pid)}) {
		if err := os.WriteFile(filepath.Join(dir, f[0]), []byte(f[1]), 0); err != nil {
			Need(t, fmt.Errorf("a CPU quota: %w: %w", err, errors.ErrUnsupported))
		}
	}
}
