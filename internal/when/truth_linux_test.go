package when

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// A program that starts goroutines of about 10 ms and more knows how long each of them took. The watch
// finds as many as there were, neither broken in pieces nor run together, and as long.
func TestLatenciesAreTrue(t *testing.T) {
	x := target.Start(t, target.Compile(t, "capture", target.Build{}))
	w := watch(t, "mean(life=10ms)>0", time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var begin, end float64 // ns of Unix time
	var missed int64
	o := profiler.StreamOptions{Every: 500 * time.Millisecond, Options: profiler.Options{MaxOverhead: 1, Keep: profiler.Keep{Timeline: true}}}
	o.Started = func(profiler.Summary) { time.AfterFunc(4*time.Second, cancel) }
	err := profiler.Stream(ctx, x.PID, o, func(rec *profiler.Recording) error {
		target.NeedAll(t, rec.Summary.EngineWall != "none", rec.Summary.Denied)
		w.Add(rec.Profile)
		if begin == 0 {
			begin = float64(rec.Profile.TimeNanos)
		}
		end = float64(rec.Profile.TimeNanos + rec.Profile.DurationNanos)
		missed += rec.Summary.Table.Missed
		return nil
	})
	target.Need(t, err)
	var truth struct {
		Labels [][2]string
		Tasks  [][5]int64
	}
	x.Truth(&truth)
	zero := float64(time.Now().UnixNano()) - float64(target.Monotonic())
	n, sum := 0.0, 0.0
	for _, task := range truth.Tasks {
		from, to := float64(task[3])+zero, float64(task[4])+zero
		if truth.Labels[task[2]][1] == "10ms" && from > begin+0.5e9 && to < end-0.5e9 {
			n, sum = n+1, sum+to-from
		}
	}
	found, length := 0.0, 0.0
	for _, sp := range w.done {
		if float64(sp.from) > begin+0.5e9 && float64(sp.to) < end-0.5e9 {
			found, length = found+1, length+float64(sp.to-sp.from)
		}
	}
	if n == 0 || found == 0 {
		t.Fatalf("%v goroutines of 10 ms, %v latencies", n, found)
	}
	mean, got := sum/n, length/found
	share := float64(missed) / float64(source.DefaultRate) / ((end - begin) / 1e9)
	t.Logf("%.0f goroutines of %.2fms, %.0f latencies of %.2fms, %.1f %% of the scans missed", n, mean/1e6, found, got/1e6, 100*share)
	if found > 1.03*n {
		t.Errorf("%.0f latencies of %.0f goroutines", found, n)
	}
	// What was not looked at cannot be true: on a busy machine mayfly waits for a CPU for 100 ms and more.
	if share > 0.02 {
		return
	}
	if off := found/n - 1; off < -0.03 {
		t.Errorf("%+.1f %% latencies", 100*off)
	}
	if off := math.Abs(got - mean); off > 1e6+0.05*mean {
		t.Errorf("mean %.2fms, truth %.2fms", got/1e6, mean/1e6)
	}
}
