package profiler_test

import (
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Recordings of two processes with one Host have all CPU time of their own process each, none of the other's, and its states; a third
// of the same process has events of its own. When they are over nothing is left open.
func TestHost(t *testing.T) {
	target.Need(t, bpf.Probe())
	spin := target.Start(t, target.Compile(t, "spin", target.Build{}), "-procs", "1")
	labels := target.Start(t, target.Compile(t, "labels", target.Build{}), "-procs", "1")
	host := profiler.NewHost(997)
	before := links(t)
	pids := []int{spin.PID, labels.PID, spin.PID}
	recs := make([]*profiler.Recording, len(pids))
	var all sync.WaitGroup
	for i, pid := range pids {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			rec, err := profiler.Record(ctx, pid, profiler.Options{Rate: 997, Scans: 50, Host: host, MaxOverhead: 1})
			if err != nil {
				t.Error(err)
			}
			recs[i] = rec
		})
	}
	all.Wait()
	for i, rec := range recs {
		if rec == nil {
			t.Fatal("no recording")
		}
		s := rec.Summary
		if off := float64(s.CPU.Profiled)/float64(s.CPU.Rusage) - 1; s.CPU.Samples == 0 || math.Abs(off) > 0.02 {
			t.Errorf("%d: %d samples, CPU time is %+.1f %% of the process's", i, s.CPU.Samples, 100*off)
		}
		if slices.ContainsFunc(s.Denied, func(d string) bool { return strings.HasPrefix(d, "preempted") }) {
			t.Errorf("%d: the scheduler's view is missing: %q", i, s.Denied)
		}
		for _, smp := range rec.Profile.Sample {
			if worker := smp.Label["job"]; i == 1 && len(worker) > 0 && worker[0] == "spin" {
				t.Fatal("a sample of the other process")
			}
		}
	}
	if after := links(t); after != before {
		t.Errorf("%d descriptors of eBPF and perf before, %d after", before, after)
	}
}

// links counts the descriptors of this process that are of eBPF or perf events.
func links(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if kind, ok := strings.CutPrefix(to, "anon_inode:"); ok && (strings.HasPrefix(kind, "bpf") || kind == "[perf_event]") {
			n++
		}
	}
	return n
}
