package profiler_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// quota puts the process into a control group of its own that may use a share of a CPU.
func quota(t *testing.T, pid int, share float64) {
	t.Helper()
	const period = 50_000 // us
	files := [][2]string{{"cpu.max", fmt.Sprintf("%d %d", int(share*period), period)}}
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
		root = filepath.Join(root, "cpu") // cgroup v1
		files = [][2]string{{"cpu.cfs_period_us", fmt.Sprint(period)}, {"cpu.cfs_quota_us", fmt.Sprint(int(share * period))}}
	}
	dir := filepath.Join(root, fmt.Sprintf("mayfly-test-%d", pid))
	target.Need(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() {
		os.WriteFile(filepath.Join(root, "cgroup.procs"), []byte(fmt.Sprint(pid)), 0)
		os.Remove(dir)
	})
	for _, f := range append(files, [2]string{"cgroup.procs", fmt.Sprint(pid)}) {
		if err := os.WriteFile(filepath.Join(dir, f[0]), []byte(f[1]), 0); err != nil {
			t.Skipf("no CPU quota here: %v", err)
		}
	}
}

// Goroutines that burn all the CPU they get, and get a third of one by their control group's quota,
// are throttled for the rest of the time.
func TestThrottled(t *testing.T) {
	const share = 1. / 3
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", "1")
	quota(t, x.PID, share)
	rec := record(t, x.PID, 3*time.Second, profiler.Options{Mode: profiler.Wall, MaxOverhead: 1})
	if rec.Summary.EngineCPU != "ebpf" {
		t.Skip("without eBPF nobody knows what is throttled: ", rec.Summary.Denied)
	}
	states := make(map[string]float64)
	for _, s := range rec.Profile.Sample {
		if len(s.Label["worker"]) > 0 {
			states[s.Label["go.state"][0]] += float64(s.Value[4]) / float64(rec.Profile.DurationNanos)
		}
	}
	t.Logf("%v", states)
	if states["running"] > share+0.1 {
		t.Errorf("running for %.2f of the time, the quota is %.2f", states["running"], share)
	}
	if states["running"] < 0.9*share {
		t.Skip("others leave the process less than its quota")
	}
	if states["throttled"] < 0.2 || states["throttled"]+states["preempted"] < 1-share-0.1 {
		t.Errorf("throttled for %.2f of the time and preempted for %.2f, want %.2f together", states["throttled"], states["preempted"], 1-share)
	}
}
