package fold

import (
	"errors"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// sampled is a wall profile with samples on a CPU: label value, CPU time. Its third sample waits.
func sampled() *profile.Profile {
	p := &profile.Profile{SampleType: Columns()}
	at := synthetic(p, "main.f")
	for _, x := range []struct {
		label string
		cpu   int64
	}{{"a", 30}, {"a", 10}, {"b", 50}, {"", 10}} {
		s := &profile.Sample{Value: []int64{1, x.cpu, 0, 0, x.cpu}, Location: []*profile.Location{at},
			Label: map[string][]string{sample.KeyState: {"running"}, benchmarkLabel: {"BenchmarkX"}}}
		if x.label != "" {
			s.Label["k"] = []string{x.label}
		}
		p.Sample = append(p.Sample, s)
	}
	p.Sample = append(p.Sample, &profile.Sample{Value: []int64{0, 0, 0, 7, 7}, Location: []*profile.Location{at},
		Label: map[string][]string{sample.KeyState: {"select"}, "k": {"a"}}})
	return p
}

// onCPUSums are the columns cpu and wall by the label k, and that of the frame where there is no sample.
func onCPUSums(p *profile.Profile) map[string][2]int64 {
	all := make(map[string][2]int64)
	for _, s := range p.Sample {
		key := first(s.Label["k"])
		if name := s.Location[0].Line[0].Function.Name; name != "main.f" {
			key += name
		}
		x := all[key]
		all[key] = [2]int64{x[0] + s.Value[columnCPU], x[1] + s.Value[columnWall]}
	}
	return all
}

func countedFor(value string, cpu int64) Counted {
	return Counted{Labels: []sample.Label{{Key: "k", Value: value}}, CPU: cpu}
}

// The samples of a label set share what was counted; the states of a set add up as before; what was not counted goes by samples.
func TestExactly(t *testing.T) {
	p := sampled()
	total, err := Exactly(p, []Counted{countedFor("a", 80),
		countedFor("b", 25), {CPU: 4}, {CPU: 3}, countedFor("c", 6), {CPU: 2, Probes: true}}, 20)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]int64{ // 20 are missing: 8, 10 and 2 by samples
		"a": {88, 95}, "b": {35, 35}, "": {9, 9}, "c" + frameRunning: {6, 6}, frameProbes: {2, 2},
	}
	got := onCPUSums(p)
	for key, x := range want {
		if got[key] != x {
			t.Errorf("%q: %v, want %v", key, got[key], x)
		}
	}
	if total != 140 || len(got) != len(want) {
		t.Errorf("%d ns, %v", total, got)
	}
	if err := p.CheckValid(); err != nil {
		t.Error(err)
	}
}

// A set that was sampled and had no CPU time, counted, has none; rounding loses nothing.
func TestExactlyRounds(t *testing.T) {
	p := sampled()
	total, err := Exactly(p, []Counted{countedFor("a", 1_000_001)}, 0)
	if got := onCPUSums(p); err != nil || total != 1_000_001 || got["a"] != [2]int64{1_000_001, 1_000_008} || got["b"] != [2]int64{} {
		t.Errorf("%d, %v, %v", total, got, err)
	}
}

// A CPU profile has two columns only.
func TestExactlyCPU(t *testing.T) {
	p := sampled()
	p.SampleType = Columns()[:2]
	for _, s := range p.Sample {
		s.Value = s.Value[:2]
	}
	total, err := Exactly(p, []Counted{countedFor("a", 80), countedFor("c", 6)}, 0)
	if err != nil || total != 86 {
		t.Errorf("%d, %v", total, err)
	}
	if err := p.CheckValid(); err != nil {
		t.Error(err)
	}
}

// Labels that lost their values are not those that were counted.
func TestExactlyOther(t *testing.T) {
	p := sampled()
	p.Sample[0].Label["k"] = []string{sample.OtherValue}
	if _, err := Exactly(p, []Counted{countedFor("a", 80)}, 86); !errors.Is(err, errOther) {
		t.Error(err)
	}
}
