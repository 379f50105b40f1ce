package profiler_test

import (
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Goroutines that burn all the CPU they get, and get a third of one by their control group's quota,
// are throttled for the rest of the time.
func TestThrottled(t *testing.T) {
	const share = 1. / 3
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", "1")
	target.Quota(t, x.PID, share)
	rec := record(t, x.PID, 3*time.Second, profiler.Options{Mode: profiler.Wall, MaxOverhead: 1})
	target.NeedAll(t, rec.Summary.EngineCPU == "ebpf", rec.Summary.Denied)
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
