package fold

import (
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// wallSample is a sample of a wall profile with one frame.
func wallSample(p *profile.Profile, set, frame string, state sample.State, v ...int64) {
	s := &profile.Sample{Value: v, Location: []*profile.Location{synthetic(p, frame)}, Label: map[string][]string{"go.state": {string(state)}}}
	if set != "" {
		s.Label["set"] = []string{set}
	}
	p.Sample = append(p.Sample, s)
}

func newWall() *profile.Profile {
	return &profile.Profile{SampleType: Columns(), PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}}
}

// sums are the columns of a set of labels.
func sums(p *profile.Profile, set string) (v [5]int64) {
	for _, s := range p.Sample {
		if first(s.Label["set"]) == set {
			for i := range v {
				v[i] += s.Value[i]
			}
		}
	}
	return v
}

func TestReconcile(t *testing.T) {
	p := newWall()
	wallSample(p, "waits", frameRunning, sample.Running, 0, 100, 0, 0, 100) // had a thread for 100, a CPU for 60
	wallSample(p, "waits", "f", sample.Running, 6, 60, 0, 0, 60)
	wallSample(p, "waits", "g", "sleep", 0, 0, 0, 900, 900)
	wallSample(p, "calls", frameRunning, sample.Running, 0, 10, 0, 0, 10) // was on a CPU in system calls for 50
	wallSample(p, "calls", "f", sample.Running, 6, 60, 0, 0, 60)
	wallSample(p, "calls", "g", sample.Syscall, 0, 0, 0, 990, 990)
	wallSample(p, "noise", "f", sample.Running, 6, 60, 0, 0, 60) // nothing to balance it with but a wait
	wallSample(p, "noise", "g", sample.Runnable, 0, 0, 40, 0, 40)
	Reconcile(p)
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	for set, want := range map[string][5]int64{
		"waits": {6, 60, 40, 900, 1000}, "calls": {6, 60, 0, 940, 1000}, "noise": {6, 60, 0, 0, 60},
	} {
		if got := sums(p, set); got != want {
			t.Errorf("%s: %v, want %v", set, got, want)
		}
	}
}

func TestRation(t *testing.T) {
	p := newWall()
	wallSample(p, "a", frameRunning, sample.Running, 0, 300, 0, 0, 300)
	wallSample(p, "b", frameRunning, sample.Running, 0, 100, 0, 0, 100)
	wallSample(p, "b", "g", "sleep", 0, 0, 0, 50, 50)
	Ration(p, 200)
	for set, want := range map[string][5]int64{"a": {0, 150, 150, 0, 300}, "b": {0, 50, 50, 50, 150}} {
		if got := sums(p, set); got != want {
			t.Errorf("%s: %v, want %v", set, got, want)
		}
	}
	if err := p.CheckValid(); err != nil {
		t.Error(err)
	}
}
