package profiler_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// Three recordings that share a budget take together the samples of one, which stand for all of their targets' CPU time.
func TestBudgetIsShared(t *testing.T) {
	target.Need(t, bpf.Probe())
	exe := target.Compile(t, "spin", target.Build{})
	o := profiler.StreamOptions{Every: time.Second, Options: profiler.Options{Budget: profiler.NewBudget(0.1)}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last [3]summary.CPU
	var together, done sync.WaitGroup // the second slice after all have begun is of three
	together.Add(len(last))
	for i := range last {
		x := target.Start(t, exe, "-n", "1", "-procs", "1")
		done.Go(func() {
			n := 0
			err := profiler.Stream(ctx, x.PID, o, func(rec *profiler.Recording) error {
				if n++; n == 1 {
					together.Done()
					together.Wait()
				}
				if n == 3 {
					last[i] = rec.Summary.CPU
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	time.AfterFunc(3500*time.Millisecond, cancel)
	done.Wait()
	for i, s := range last {
		if s.RateReached < 200 || s.RateReached > 600 {
			t.Errorf("recording %d of 3: %.0f samples for each second on a CPU, want a third of 999", i, s.RateReached)
		}
		if off := float64(s.Profiled)/float64(s.Rusage) - 1; off < -0.15 || off > 0.15 {
			t.Errorf("recording %d: its samples stand for %+.1f %% more than the CPU time", i, 100*off)
		}
	}
}
