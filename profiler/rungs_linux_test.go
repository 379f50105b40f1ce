package profiler_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Labels that are read a moment after the sample are those of the goroutine all the same: each set
// is where it was set, or left out.
func TestPerfLabels(t *testing.T) {
	target.NeedCPU(t)
	x := target.Start(t, target.Compile(t, "labels", target.Build{}))
	rec := record(t, x.PID, 3*time.Second, profiler.Options{Engine: profiler.Perf})
	var truth struct {
		Sets map[string]struct {
			Func   string
			Labels map[string]string
		}
	}
	x.Truth(&truth)
	var all, wrong, none int64
	for _, s := range rec.Profile.Sample {
		names := frames(s)
		maps.DeleteFunc(s.Label, func(key string, _ []string) bool { return strings.HasPrefix(key, "go.") })
		for _, set := range truth.Sets {
			if index(names, set.Func) < 0 {
				continue
			}
			all += s.Value[0]
			switch {
			case len(s.Label) == 0 && len(set.Labels) > 0:
				none += s.Value[0]
			case len(s.Label) != len(set.Labels):
				wrong += s.Value[0]
			default:
				for k, v := range set.Labels {
					if len(s.Label[k]) != 1 || s.Label[k][0] != v {
						wrong += s.Value[0]
						break
					}
				}
			}
		}
	}
	t.Logf("%d samples, %d without their labels, %d with wrong ones; %v", all, none, wrong, rec.Summary.Denied)
	if all < 100 || wrong*200 > all || none*5 > all {
		t.Errorf("of %d samples %d have no labels and %d wrong ones", all, none, wrong)
	}
	if rec.Summary.Stacks.Rooted < 0.99 {
		t.Errorf("%.2f %% of goroutine stacks end at their root", 100*rec.Summary.Stacks.Rooted)
	}
}
