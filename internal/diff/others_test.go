package diff

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/flame"
)

// foreign is a profile as another tool writes it: one column, of which main.a has two thirds, and a period.
func foreign(column, unit, period string, value, every int64) *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: column, Unit: unit}}, DurationNanos: 10e9,
		PeriodType: &profile.ValueType{Type: "cpu", Unit: period}, Period: every,
	}
	for i, v := range []int64{2 * value, value} {
		f := &profile.Function{ID: uint64(i + 1), Name: "main." + string(rune('a'+i))}
		l := &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		p.Sample = append(p.Sample, &profile.Sample{Location: []*profile.Location{l}, Value: []int64{v}})
	}
	return p
}

// Profiles of other tools are times of any unit, counts with a period, or no times; those of one time are the same.
func TestProfilesOfOthers(t *testing.T) {
	for name, tt := range map[string]struct {
		p      *profile.Profile
		column string
		total  float64 // ns, or whatever it is
	}{
		"runtime/pprof's":   {foreign("cpu", "nanoseconds", "nanoseconds", 1e9, 1e7), "cpu", 3e9},
		"node: wall":        {foreign("wall", "microseconds", "microseconds", 1e6, 1e4), "wall", 3e9},
		"milliseconds":      {foreign("cpu", "milliseconds", "milliseconds", 1000, 10), "cpu", 3e9},
		"Parca: 19 Hz":      {foreign("samples", "count", "nanoseconds", 19, 52631578), "cpu", 3 * 19 * 52631578},
		"counts alone":      {foreign("samples", "count", "", 100, 0), "samples", 300},
		"Pyroscope's":       {foreign("samples", "count", "nanoseconds", 100, 1), "samples", 300}, // whatever the period was
		"heap":              {foreign("inuse_space", "bytes", "", 4096, 512<<10), "inuse_space", 3 * 4096},
		"perf_to_profile's": {foreign("cycles", "event", "", 1e6, 1e6), "cycles", 3e6},
	} {
		r := Reduce(tt.p, name, Options{})
		if len(r.Columns) != 1 || r.Columns[0] != tt.column || math.Abs(r.cols[0].total-tt.total) > 1 {
			t.Errorf("%s: %v, total %v; want %s %v", name, r.Columns, r.cols[0].total, tt.column, tt.total)
		}
		same, err := Compare([]*Profile{r}, []*Profile{r}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := (&Document{Result: same, Before: []*profile.Profile{tt.p.Copy()}, After: []*profile.Profile{tt.p.Copy()}}).difference()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		left, added := 0.0, 0.0
		for _, s := range p.Sample {
			left += float64(s.Value[0])
			added += math.Abs(float64(s.Value[0])) / 2
		}
		if p.SampleType[0].Type != tt.column || left != 0 || math.Abs(added-tt.total) > 1e-6*tt.total {
			t.Errorf("%s: the difference is %v of %v %s, want 0 of %v", name, left, added, p.SampleType[0].Type, tt.total)
		}
	}
	base := Reduce(foreign("samples", "count", "nanoseconds", 1900, 52631578), "parca", Options{})
	agent := Reduce(foreign("cpu", "nanoseconds", "nanoseconds", 100e9, 1e7), "pprof", Options{})
	if r, err := Compare([]*Profile{base}, []*Profile{agent}, Options{}); err != nil || r.Outcome == Incomparable || r.Outcome == Regressed {
		t.Errorf("%v: %s", err, r.Verdict())
	}
}

// Frames without lines are no more than others, or a browser's stack overflows.
func TestDeepGraph(t *testing.T) {
	p := foreign("cpu", "nanoseconds", "", 5, 0)
	p.Sample[0].Location = slices.Repeat([]*profile.Location{{}}, 1<<14)
	depth := 0
	for n := Shares("cpu", p, p); len(n.Children) > 0; n = n.Children[0] {
		depth++
	}
	if depth != flame.Deepest {
		t.Errorf("%d frames without lines are drawn, want %d", depth, flame.Deepest)
	}
}

// A heap of which one function's part doubles is found among repeats, and said to be no time.
func TestHeap(t *testing.T) {
	side := func(a int64) (all []*Profile) {
		for i := range int64(4) {
			p := foreign("inuse_space", "bytes", "", 1e6+1e3*i, 512<<10)
			p.Sample[0].Value[0] = a + 1e3*i
			all = append(all, Reduce(p, "heap", Options{}))
		}
		return all
	}
	r, err := Compare(side(1e6), side(2e6), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != Regressed || !strings.Contains(strings.Join(r.Notes, ";"), "no times") || r.Columns[0].Unit != unitProfile {
		t.Errorf("%s %q %+v", r.Verdict(), r.Notes, r.Columns)
	}
	if r, err := Compare(side(1e6), side(1e6), Options{}); err != nil || r.Outcome == Regressed {
		t.Errorf("%v %s", err, r.Verdict())
	}
}

// Events beside time are compared when they are asked for by name, and not else.
func TestEventsAsked(t *testing.T) {
	side := func(o Options, a int64) (all []*Profile) {
		for i := range int64(4) {
			p := foreign("cpu", "nanoseconds", "nanoseconds", 1e9, 1e7)
			p.SampleType = append(p.SampleType, &profile.ValueType{Type: "page-faults", Unit: "count"})
			for k, s := range p.Sample {
				s.Value = append(s.Value, []int64{a, 20_000}[k]+100*i)
			}
			all = append(all, Reduce(p, "events", o))
		}
		return all
	}
	for _, tt := range []struct {
		columns []string
		new     int64
		want    Outcome
	}{
		{[]string{"page-faults"}, 20_000, Regressed},
		{[]string{"page-faults"}, 10_000, Same},
		{nil, 20_000, Undecided}, // of the time there are too few samples
	} {
		o := Options{Columns: tt.columns}
		r, err := Compare(side(o, 10_000), side(o, tt.new), o)
		if err != nil || r.Outcome != tt.want {
			t.Errorf("%v, %d: %v, %s", tt.columns, tt.new, err, r.Verdict())
		}
	}
}
