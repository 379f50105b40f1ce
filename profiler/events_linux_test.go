package profiler_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// recordFaults records testdata/faults from before its first page until after its last.
func recordFaults(t *testing.T, pages, rate, hz int, mode profiler.Mode) (rec *profiler.Recording, truth map[string]float64) {
	t.Helper()
	x := target.Start(t, target.Compile(t, "faults", target.Build{}), "-pages", strconv.Itoa(pages), "-rate", strconv.Itoa(rate))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := profiler.Options{Mode: mode, Rate: hz, Events: []string{"page-faults", "minor-faults"}}
	o.Started = func(profiler.Summary) {
		if err := syscall.Kill(x.PID, syscall.SIGUSR1); err != nil {
			t.Error(err)
		}
		go func() {
			for ctx.Err() == nil && !slices.Contains(x.Lines(), "over") {
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
		}()
	}
	rec, err := profiler.Record(ctx, x.PID, o)
	target.Need(t, err)
	var counted struct{ Most, Few float64 }
	x.Truth(&counted)
	return rec, map[string]float64{"most": counted.Most, "few": counted.Few}
}

// eventsOf adds up a column by the label "touch", and what of it is in the function that the label stands for.
func eventsOf(t *testing.T, p *profile.Profile, column string) (byLabel, inFunction map[string]float64, all int64) {
	t.Helper()
	at := slices.IndexFunc(p.SampleType, func(v *profile.ValueType) bool { return v.Type == column && v.Unit == "count" })
	if at < 0 {
		t.Fatalf("no column %s: %v", column, p.SampleType)
	}
	byLabel, inFunction = make(map[string]float64), make(map[string]float64)
	for _, s := range p.Sample {
		all += s.Value[at]
		for _, name := range s.Label["touch"] {
			byLabel[name] += float64(s.Value[at])
			want := map[string]string{"most": "main.touchMost", "few": "main.touchFew"}[name]
			if slices.ContainsFunc(s.Location, func(l *profile.Location) bool { return l.Line[0].Function.Name == want }) {
				inFunction[name] += float64(s.Value[at])
			}
		}
	}
	return byLabel, inFunction, all
}

// Where pages are touched rarely each fault is a sample, at its function and with its label; where they are touched as fast as can be,
// samples stand for all of them.
func TestPageFaults(t *testing.T) {
	for _, tt := range []struct {
		name            string
		pages, rate, hz int
		off             float64 // of the truth, at most
		mode            profiler.Mode
	}{
		{"few", 600, 400, 999, 0.02, profiler.Wall},
		{"many", 300_000, 0, 9999, 0.12, profiler.CPU},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec, truth := recordFaults(t, tt.pages, tt.rate, tt.hz, tt.mode)
			for _, column := range []string{"page-faults", "minor-faults"} {
				byLabel, inFunction, all := eventsOf(t, rec.Profile, column)
				t.Logf("%s: %v by label, %v in their functions, of %v; %d in all", column, byLabel, inFunction, truth, all)
				for name, want := range truth {
					if got := inFunction[name]; math.Abs(got-want) > tt.off*want {
						t.Errorf("%s of %s: %v, the program says %v", column, name, got, want)
					}
				}
				i := slices.IndexFunc(rec.Summary.Events.Counts, func(c sample.EventCount) bool { return c.Name == column })
				if i < 0 {
					t.Fatalf("the summary has %v", rec.Summary.Events.Counts)
				}
				if c := rec.Summary.Events.Counts[i]; c.Count != all || c.Lost != 0 || c.Counted != 1 {
					t.Errorf("%v, and the column has %d", c, all)
				}
			}
			if err := rec.Profile.CheckValid(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The CPU's own counters are sampled where there are any, and refused with a sentence where there are none.
func TestHardwareEvents(t *testing.T) {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	rec, err := profiler.Record(ctx, x.PID, profiler.Options{Mode: profiler.CPU, Events: []string{"cycles", "instructions"}})
	if errors.Is(err, errors.ErrUnsupported) && strings.Contains(err.Error(), "counts no such event") {
		t.Log(err)
		return
	}
	target.Need(t, err)
	c := rec.Summary.Events.Counts
	if hz := float64(c[0].Count) / (float64(rec.Summary.CPU.Profiled) / 1e9); len(c) != 2 || hz < 1e8 || hz > 1e10 || c[1].Count <= 0 {
		t.Errorf("%v in %d ns", c, rec.Summary.CPU.Profiled)
	}
}

func TestEventOptions(t *testing.T) {
	for want, o := range map[string]profiler.Options{
		"not one of cycles": {Events: []string{"cycle"}},
		"asked for twice":   {Events: []string{"cycles", "cycles"}},
		"made of intervals": {Events: []string{"cycles"}, Keep: profiler.Keep{Timeline: true}},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", o.Events, err, want)
		}
	}
}
