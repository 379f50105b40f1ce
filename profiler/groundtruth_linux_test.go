package profiler_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/groundtruth"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

var groundTruthLong = flag.Bool("groundtruth.long", false, "hold the states against the ground truth for 20 s a case, with tight bounds: "+
	"on a quiet machine")

// judged is a workload that the states are held against the ground truth with.
type judged struct {
	name       string
	args       []string
	neighbours int // goroutines of another process that burn
}

var judgedCases = []judged{
	{"starved", []string{"-case", "cpu"}, 2 * runtime.NumCPU()},
	{"procs", []string{"-case", "cpu", "-procs", "1"}, 0},
	{"lock", []string{"-case", "lock"}, 0},
	{"network", []string{"-case", "network"}, 0},
}

// For every label the states add up to the time that its goroutines lived, and each state has its
// share of it, as the program's execution trace and the kernel's scheduler events tell.
func TestStatesAgreeWithGroundTruth(t *testing.T) {
	for _, c := range judgedCases {
		t.Run(c.name, func(t *testing.T) {
			d := 3 * time.Second
			if *groundTruthLong {
				d = 20 * time.Second
			}
			m := c.record(t, d)
			for again := 2; m.missed() > mostMissed && !*groundTruthLong && again > 0; again-- {
				m = c.record(t, d)
			}
			t.Log(m.table())
			m.check(t)
		})
	}
}

// record runs a case.
func (c judged) record(t *testing.T, d time.Duration) *match {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	exe := target.Compile(t, "states", target.Build{})
	sched, err := groundtruth.WatchScheduler(t.TempDir(), filepath.Base(exe))
	target.Need(t, err)
	defer sched.Close()
	if c.neighbours > 0 {
		target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", fmt.Sprint(c.neighbours), "-procs", fmt.Sprint(c.neighbours))
	}
	x := target.Start(t, exe, append([]string{"-trace", file}, c.args...)...)
	m := &match{}
	m.rec, m.window = recordWindow(t, x.PID, d)
	var truth struct {
		Labels     []string
		Goroutines [][2]int64
	}
	x.Truth(&truth)
	threads, err := sched.Stop()
	if err != nil {
		t.Fatal(err)
	}
	goroutines, err := groundtruth.ReadTrace(file)
	if err != nil {
		t.Fatal(err)
	}
	m.want = make(map[string]groundtruth.States)
	m.n = make(map[string]int)
	for _, g := range truth.Goroutines {
		label := truth.Labels[g[1]]
		if m.want[label] == nil {
			m.want[label] = make(groundtruth.States)
		}
		goroutines.Judge(uint64(g[0]), threads, m.window, m.want[label])
		m.n[label]++
	}
	m.got = statesByLabel(m.rec.Profile)
	return m
}

// recordWindow records for d and says when that was.
func recordWindow(t *testing.T, pid int, d time.Duration) (*profiler.Recording, groundtruth.Window) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var w groundtruth.Window
	rec, err := profiler.Record(ctx, pid, profiler.Options{Mode: profiler.Wall, MaxOverhead: 1, Started: func(profiler.Summary) {
		w.From = target.Monotonic()
		time.AfterFunc(d, func() { w.To = target.Monotonic(); cancel() })
	}})
	target.Need(t, err)
	target.NeedAll(t, len(rec.Summary.Denied) == 0, rec.Summary.Denied)
	return rec, w
}

// statesByLabel is the wall time by the label "work" and the state.
func statesByLabel(p *profile.Profile) map[string]groundtruth.States {
	got := make(map[string]groundtruth.States)
	for _, s := range p.Sample {
		for _, label := range s.Label["work"] {
			if got[label] == nil {
				got[label] = make(groundtruth.States)
			}
			got[label][groundtruth.Word(s.Label["go.state"][0])] += s.Value[4]
		}
	}
	return got
}

// match is a recording beside what the ground truth says of the same time.
type match struct {
	rec       *profiler.Recording
	window    groundtruth.Window
	got, want map[string]groundtruth.States
	n         map[string]int // goroutines by label
}

// table has a line for each label and state: shares of the label's life, as mayfly and as the
// ground truth see it.
func (m *match) table() string {
	var b strings.Builder
	s := m.rec.Summary
	fmt.Fprintf(&b, "%.1f s, %.0f scans a second, %d missed, %d samples; CPU: samples %.3f s, table %.3f s\n",
		float64(m.window.To-m.window.From)/1e9, s.Table.Rate, s.Table.Missed, s.CPU.Samples, float64(s.CPU.Profiled)/1e9,
		float64(s.Table.Running)/1e9)
	fmt.Fprintf(&b, "%-10s %6s %9s  %-20s %9s %9s %7s\n", "label", "n", "life, s", "state", "truth %", "mayfly %", "off")
	for _, label := range slices.Sorted(maps.Keys(m.want)) {
		want, got := m.want[label], m.got[label]
		life := float64(want.Total()) / 100
		fmt.Fprintf(&b, "%-10s %6d %9.3f  %-20s %9.2f %9.2f %+7.2f\n", label, m.n[label], life/1e7, "total", 100.0, float64(got.Total())/life,
			float64(got.Total())/life-100)
		for _, state := range m.states(label) {
			w, g := float64(want[state])/life, float64(got[state])/life
			if w > 0.05 || g > 0.05 {
				fmt.Fprintf(&b, "%-10s %6s %9s  %-20s %9.2f %9.2f %+7.2f\n", "", "", "", state, w, g, g-w)
			}
		}
	}
	return b.String()
}

// states are all states of a label that either knows.
func (m *match) states(label string) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(m.want[label])), maps.Keys(m.got[label]))
	slices.Sort(all)
	return slices.Compact(all)
}

// Bounds, as shares of a label's life. A test that runs beside others is held to the wide ones:
// scans come late when the machine is busy, and what happens between two is guessed.
const (
	tightTotal, tightState = 0.02, 0.02
	wideTotal, wideState   = 0.06, 0.06
)

// mostMissed is the share of its scans that a recording may miss and still be judged.
const mostMissed = 0.1

func (m *match) missed() float64 {
	s := m.rec.Summary
	return float64(s.Table.Missed) / (float64(m.window.To-m.window.From) / 1e9 * float64(s.RateAsked))
}

func (m *match) check(t *testing.T) {
	t.Helper()
	total, state := wideTotal, wideState
	if *groundTruthLong {
		total, state = tightTotal, tightState
	} else if missed := m.missed(); missed > mostMissed {
		target.Need(t, fmt.Errorf("%w: %.0f %% of the scans were missed: the machine is too busy to say anything", errors.ErrUnsupported,
			100*missed))
	}
	for label, want := range m.want {
		life := float64(want.Total())
		scans := int64(life / 1e9 * m.rec.Summary.Table.Rate)
		if scans < 500 {
			continue // too short a life to say anything of
		}
		if off := float64(m.got[label].Total())/life - 1; math.Abs(off) > total {
			t.Errorf("%s: states add up to %+.2f %% of the lifetime", label, 100*off)
		}
		for _, s := range m.states(label) {
			p := float64(want[s]) / life
			off := float64(m.got[label][s])/life - p
			if limit := state + sigmas*binomial(p, scans); math.Abs(off) > limit {
				t.Errorf("%s: %s: %+.2f %% of the lifetime, limit %.2f", label, s, 100*off, 100*limit)
			}
		}
	}
}
