package profiler_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// exactlyOf holds the profile of a slice of testdata/shares against what was counted: the samples of each label have that, and
// what was not counted is little. It returns the label sets.
func exactlyOf(t *testing.T, rec *profiler.Recording) map[string]sample.ExactCPU {
	t.Helper()
	s := rec.Summary
	denied := slices.ContainsFunc(s.Denied, func(d string) bool { return strings.HasPrefix(d, "exact CPU times: ") })
	target.NeedAll(t, !denied, s.Denied)
	sets, counted := make(map[string]sample.ExactCPU), int64(0)
	for _, e := range s.Exact.Sets {
		counted += e.CPU
		if e.Kind == sample.CPUOfLost {
			t.Errorf("%s", e)
		}
		if len(e.Labels) > 0 {
			sets[e.Labels[0].Value] = e
		}
	}
	columns, all := cpuByLabel(rec.Profile)
	if all != s.CPU.Profiled {
		t.Errorf("the profile has %d ns, the summary says %d", all, s.CPU.Profiled)
	}
	spare := all - counted // what nobody has counted goes by samples
	for name, e := range sets {
		if more := columns[name] - e.CPU; more < -1000 || more > spare+1000 {
			t.Errorf("%s: %d ns in the profile, %d counted, %d spare", name, columns[name], e.CPU, spare)
		}
	}
	if spare < -1000 || counted == 0 {
		t.Errorf("%d ns of %d are counted", counted, all)
	}
	return sets
}

func cpuByLabel(p *profile.Profile) (columns map[string]int64, all int64) {
	columns = make(map[string]int64)
	for _, s := range p.Sample {
		all += s.Value[1]
		for _, name := range s.Label["work"] {
			columns[name] += s.Value[1]
		}
	}
	return columns, all
}

// Samples share what was counted for their labels, and the summary says it with its error.
func TestExactCPU(t *testing.T) {
	x := target.Start(t, target.Compile(t, "shares", target.Build{}))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	rec, err := profiler.Record(ctx, x.PID, profiler.Options{Mode: profiler.CPU, ExactCPU: true})
	target.Need(t, err)
	sets := exactlyOf(t, rec)
	if len(sets) < 5 { // of 50, on a machine without a CPU to spare
		t.Errorf("%d label sets", len(sets))
	}
	if e := sets["l00"]; e.Stints == 0 || e.Error <= 0 { // how much that is depends on what else the host does
		t.Errorf("%s", e)
	}
	comments := strings.Join(rec.Profile.Comments, "\n")
	if !strings.Contains(comments, "exact_cpu=work=\"l00\" ") {
		t.Errorf("comments: %s", comments)
	}
}

// Each slice of a stream has what was counted meanwhile.
func TestExactCPUSlices(t *testing.T) {
	x := target.Start(t, target.Compile(t, "shares", target.Build{}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := profiler.StreamOptions{Options: profiler.Options{ExactCPU: true}, Every: time.Second}
	n := 0
	err := profiler.Stream(ctx, x.PID, o, func(rec *profiler.Recording) error {
		if n++; n > 3 { // the last one may be short
			return nil
		}
		if e, ok := exactlyOf(t, rec)["l00"]; !ok || e.CPU <= 0 {
			t.Errorf("slice %d: %s", n, e)
		}
		if n == 3 {
			cancel()
		}
		return nil
	})
	target.Need(t, err)
	if n < 3 {
		t.Errorf("%d slices", n)
	}
}

func TestExactCPUOptions(t *testing.T) {
	o := profiler.Options{ExactCPU: true, Keep: profiler.Keep{Timeline: true}}
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "Keep.Timeline") {
		t.Error(err)
	}
}
