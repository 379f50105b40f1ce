package profiler_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Each trap is told by who falls into it, and a program that has none is said to have none, though its goroutines keep labels
// for as long: those that they have set themselves, and those of who is still there.
func TestLabelTraps(t *testing.T) {
	exe := target.Compile(t, "traps", target.Build{})
	for trap, want := range map[string]string{
		"": "", "pool": "kept by main.grow main.go", "transport": "kept by net/http.(*Transport).dialConn transport.go",
		"timer": "timer by time.goFunc sleep.go",
	} {
		t.Run(trap, func(t *testing.T) {
			x := target.Start(t, exe, "-trap", trap)
			rec := record(t, x.PID, 1200*time.Millisecond, profiler.Options{Mode: profiler.Wall, MaxOverhead: 1})
			for _, l := range rec.Summary.Traps {
				t.Log(l)
				if want == "" || !strings.HasPrefix(l.Kind+" by "+l.CreatedBy, want) {
					t.Errorf("%+v; want %q", l, want)
				}
			}
			if want != "" && len(rec.Summary.Traps) == 0 {
				t.Errorf("none, want %q; lifetimes %v", want, rec.Summary.Lifetimes)
			}
		})
	}
}

// Who started a goroutine, and what of its time is the runtime's, is told on a CPU and off it; lifetimes are those of requests.
func TestRows(t *testing.T) {
	x := target.Start(t, target.Compile(t, "traps", target.Build{}))
	rec := record(t, x.PID, 1200*time.Millisecond, profiler.Options{Mode: profiler.Wall, MaxOverhead: 1})
	var all, created [2]int64
	for _, s := range rec.Profile.Sample {
		by := s.Label[sample.KeyCreatedBy]
		names := strings.Join(names(s), " ")
		if !strings.Contains(names, "main.worker") {
			continue
		}
		for i, column := range [2]int{1, 4} {
			all[i] += s.Value[column]
			if len(by) == 1 && strings.HasPrefix(by[0], "main.main main.go:") {
				created[i] += s.Value[column]
			}
		}
		if s.Label[sample.KeyClass] != nil {
			t.Errorf("%q is of class %q", names, s.Label[sample.KeyClass])
		}
	}
	lost := rec.Summary.Labels.GoneTime // by engine perf, on a busy machine: the goroutine was read too late
	for i := range all {
		if all[i] == 0 || created[i] < all[i]*99/100-lost {
			t.Errorf("column %d: of %d ns of workers %d were created by main.main", i, all[i], created[i])
		}
	}
	seen := map[string]sample.Lifetimes{}
	for _, l := range rec.Summary.Lifetimes {
		seen[l.Key+l.Value] = l
	}
	for _, endpoint := range []string{"/a", "/b", "/c"} {
		if l := seen["endpoint"+endpoint]; l.Ended < 20 || l.P50 > l.P99 || l.P50 < 500_000 {
			t.Errorf("%v", l)
		}
	}
	if l := seen["endpoint/cron"]; l.Unknown != 1 || l.Ended != 0 {
		t.Errorf("%v", l)
	}
}
