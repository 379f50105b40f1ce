//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// How long the threads had CPUs and wanted them is what the kernel counts by itself, thread by thread.
func TestSchedAgreesWithSchedstat(t *testing.T) {
	target.NeedCPU(t)
	for _, c := range []string{"lock", "network"} {
		t.Run(c, func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "states", target.Build{}), "-case", c, "-trace", filepath.Join(t.TempDir(), "trace"))
			p, s := openSched(t, x.PID)
			time.Sleep(300 * time.Millisecond) // until the threads have been switched
			seen, kept := times(t, p, s), schedstat(t, p)
			for tid, then := range seen {
				then.Preempted, then.Throttled, then.Now = waits(then), 0, sample.Unknown
				seen[tid] = then
			}
			time.Sleep(1500 * time.Millisecond)
			var got, want [2]int64
			after := schedstat(t, p)
			for tid, now := range times(t, p, s) {
				then, ok := seen[tid]
				if _, both := kept[tid]; !ok || !both || then.Born != now.Born {
					continue
				}
				got[0] += now.Running - then.Running
				got[1] += waits(now) - waits(then)
				for i := range want {
					want[i] += after[tid][i] - kept[tid][i]
				}
			}
			for i, what := range []string{"had CPUs", "wanted CPUs"} {
				off := got[i] - want[i]
				t.Logf("threads %s for %v, by the kernel %v", what, time.Duration(got[i]), time.Duration(want[i]))
				// The two are read one after the other, and what hypervisors steal counts for the one only.
				if math.Abs(float64(off)) > 0.05*float64(want[0]+want[1])+20e6 {
					t.Errorf("threads %s for %v, by the kernel %v", what, time.Duration(got[i]), time.Duration(want[i]))
				}
			}
		})
	}
}

// waits is for how long a thread has waited for CPUs, a wait that is not over left out, as the kernel does.
func waits(t sample.ThreadTimes) int64 {
	ns := t.Preempted + t.Throttled
	if t.Now == sample.Preempted || t.Now == sample.Throttled {
		ns -= proc.Monotonic() - t.Since
	}
	return ns
}

// schedstat is for how long each thread had a CPU and waited for one, ns (Documentation/scheduler/sched-stats.rst).
func schedstat(t *testing.T, p *proc.Process) map[int][2]int64 {
	t.Helper()
	tids, err := p.Threads(nil)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[int][2]int64)
	for _, tid := range tids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", p.PID(), tid))
		var ns [2]int64
		if _, scanErr := fmt.Sscan(string(b), &ns[0], &ns[1]); err == nil && scanErr == nil {
			all[tid] = ns
		}
	}
	if len(all) == 0 {
		target.Need(t, fmt.Errorf("/proc/PID/task/TID/schedstat (CONFIG_SCHED_INFO): %w", errors.ErrUnsupported))
	}
	return all
}
