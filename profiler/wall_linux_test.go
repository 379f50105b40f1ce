package profiler_test

import (
	"math"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// The states of a goroutine that lives as long as the recording add up to its length: time on a CPU
// comes from one source, all other time from another, and no nanosecond from both.
func TestStatesAddUp(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "labels", b), "-procs", "2")
			rec := record(t, x.PID, 3*time.Second, profiler.Options{Mode: profiler.Wall, MaxOverhead: 1, Keep: profiler.Keep{Goroutines: true}})
			var truth struct {
				Sets map[string]struct{ Goid uint64 }
			}
			x.Truth(&truth)
			wall := make(map[uint64]int64)
			states := make(map[uint64]map[string]int64)
			for _, s := range rec.Profile.Sample {
				for _, id := range s.NumLabel["go.id"] {
					wall[uint64(id)] += s.Value[4]
					if states[uint64(id)] == nil {
						states[uint64(id)] = make(map[string]int64)
					}
					states[uint64(id)][s.Label["go.state"][0]] += s.Value[4] / 1e6
				}
			}
			length := float64(rec.Profile.DurationNanos)
			s := rec.Summary
			// Where the table could not be looked at as often as asked, what goroutines did is guessed.
			often := float64(s.Table.Missed) < 0.05*s.Table.Rate*length/1e9
			for name, set := range truth.Sets {
				if off := float64(wall[set.Goid])/length - 1; often && math.Abs(off) > 0.15 {
					t.Errorf("set %q: states add up to %+.1f %% of the recording: ms %v", name, 100*off, states[set.Goid])
				}
			}
			t.Logf("%.0f scans a second, %d missed; the table saw %.2fs on a CPU, samples %.2fs; %v", s.Table.Rate, s.Table.Missed,
				float64(s.Table.Running)/1e9, float64(s.CPU.Profiled)/1e9, s.Denied)
			// Without the rights for eBPF there is nothing to compare the second opinion with.
			if off := float64(s.Table.Running)/float64(s.CPU.Profiled) - 1; s.EngineCPU == "ebpf" && often && math.Abs(off) > 0.25 {
				t.Errorf("CPU time: the goroutine table saw %+.1f %% of what the samples stand for", 100*off)
			}
		})
	}
}
