package profiler_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// experiments are ways of building that change the runtime or the code, beyond target.Matrix. The standard
// library is built anew for each, so that few are built by default.
func experiments() []target.Build {
	all := []target.Build{
		{CGO: true, Race: true},
		{CGO: true, ASan: true},
		{CGO: true, LDFlags: "-extldflags=-static"},
		{Env: "GOAMD64=v3 GOEXPERIMENT=nogreenteagc,jsonv2,goroutineleakprofile,runtimefreegc,randomizedheapbase64"},
	}
	if os.Getenv("MAYFLY_MATRIX") == "all" {
		all = append(all,
			target.Build{Go: "1.24.13", Env: "GOEXPERIMENT=synctest,noswissmap"},
			target.Build{Go: "1.25.7", Env: "GOEXPERIMENT=greenteagc,jsonv2"},
			target.Build{Go: "1.26.11", Env: "GOEXPERIMENT=runtimesecret,sizespecializedmalloc,heapminimum512kib"},
			target.Build{Go: "1.27.4", Env: "GOAMD64=v3 GOEXPERIMENT=runtimesecret,runtimefreegc,simd"})
	}
	return all
}

var everything = profiler.Options{Mode: profiler.Wall, Engine: profiler.EBPF, MaxOverhead: 1, Keep: profiler.Keep{Goroutines: true}}

// Ids, labels, states and stacks are the program's own, however it was built.
func TestBuildModes(t *testing.T) {
	for _, b := range experiments() {
		t.Run(b.String(), func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "labels", b), "-procs", "2")
			rec := record(t, x.PID, 2*time.Second, everything)
			var truth burners
			x.Truth(&truth)
			truth.check(t, rec)
		})
	}
}

// Nothing depends on how many Ps there are, or that they stay.
func TestProcsChange(t *testing.T) {
	x := target.Start(t, target.Compile(t, "labels", target.Build{}), "-procs", "4", "-change")
	rec := record(t, x.PID, 2*time.Second, everything)
	var truth burners
	x.Truth(&truth)
	truth.check(t, rec)
}

// burners is what testdata/labels knows of itself.
type burners struct {
	Sets map[string]struct {
		Func   string
		Goid   int64
		Labels map[string]string
	}
}

func (b *burners) check(t *testing.T, rec *profiler.Recording) {
	t.Helper()
	if len(rec.Summary.Denied) > 0 {
		t.Errorf("denied: %q", rec.Summary.Denied)
	}
	var cpu, whole int64
	waiting := make(map[string]int64)
	walls := make(map[int64]int64)
	for _, s := range rec.Profile.Sample {
		names := names(s)
		id := slices.Concat(s.NumLabel["go.id"], []int64{0})[0]
		walls[id] += s.Value[4]
		for _, set := range b.Sets {
			burns := slices.Contains(names, set.Func)
			if id != set.Goid && !burns {
				continue
			}
			cpu += s.Value[1]
			if burns && id == set.Goid && maps.Equal(labelsOf(s), set.Labels) {
				whole += s.Value[1]
			} else if s.Value[1] > 0 {
				t.Logf("%d us of %s: goroutine %d with %d labels: %q", s.Value[1]/1000, set.Func, id, len(s.Label), names)
			}
			switch state := s.Label["go.state"][0]; state {
			case "running", "runnable", "preempted":
			default:
				waiting[state] += s.Value[4]
			}
		}
	}
	t.Logf("%.4f of %d ms of CPU time has its function, goroutine and labels; %.4f rooted; waiting %v", float64(whole)/float64(cpu), cpu/1e6,
		rec.Summary.Stacks.Rooted, waiting)
	if cpu == 0 || float64(whole) < 0.998*float64(cpu) || rec.Summary.Stacks.Rooted < 0.999 {
		t.Errorf("%d of %d ms of CPU time has its function, goroutine and labels; %.4f of the stacks are rooted", whole/1e6,
			cpu/1e6, rec.Summary.Stacks.Rooted)
	}
	if float64(rec.Summary.Table.Missed) >= 0.05*rec.Summary.Table.Rate*float64(rec.Profile.DurationNanos)/1e9 {
		return // what goroutines did is guessed where the table could not be looked at as often as asked
	}
	for name, set := range b.Sets {
		if share := float64(walls[set.Goid]) / float64(rec.Profile.DurationNanos); share < 0.95 || share > 1.05 {
			t.Errorf("set %q: its states add up to %.3f of the recording", name, share)
		}
	}
	for state, ns := range waiting { // a thread that waits for a page sleeps, too
		if float64(ns) > 0.03*float64(rec.Profile.DurationNanos) {
			t.Errorf("%d ms in %q, where nobody waits", ns/1e6, state)
		}
	}
}

// labelsOf is a sample's labels without mayfly's own.
func labelsOf(s *profile.Sample) map[string]string {
	m := make(map[string]string)
	for k, v := range s.Label {
		if !strings.HasPrefix(k, "go.") {
			m[k] = v[0]
		}
	}
	return m
}
