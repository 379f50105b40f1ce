//go:build amd64 || arm64

package bpf

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// watch samples a running target for d.
func watch(t testing.TB, pid int, o Options, d time.Duration, emit func(*sample.Sample)) Stats {
	t.Helper()
	p, err := proc.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	exe, err := p.Exe()
	if err != nil {
		t.Fatal(err)
	}
	o.Layout, err = goruntime.Read(exe)
	exe.Close()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(p, o)
	target.Need(t, err)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := s.Run(ctx, emit); err != nil {
		t.Fatal(err)
	}
	return s.Stats()
}

// Every sample of a goroutine carries its goroutine's id and its whole label set.
func TestGoroutinesAndLabels(t *testing.T) {
	target.Need(t, Probe())
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) { checkLabels(t, b) })
	}
}

func checkLabels(t *testing.T, b target.Build) {
	x := target.Start(t, target.Compile(t, "labels", b), "-procs", "2")
	samples := make(map[uint64][]map[string]string)
	st := watch(t, x.PID, Options{Rate: 1999}, 1500*time.Millisecond, func(s *sample.Sample) {
		if s.LabelsTruncated {
			t.Errorf("goroutine %d: labels truncated", s.Goid)
		}
		if s.Goid == 0 {
			return
		}
		set := make(map[string]string)
		for _, l := range s.Labels {
			set[l.Key] = l.Value
		}
		samples[s.Goid] = append(samples[s.Goid], set)
	})
	var truth struct {
		Sets map[string]struct {
			Goid   uint64
			Labels map[string]string
		}
	}
	x.Truth(&truth)
	for name, set := range truth.Sets {
		got := samples[set.Goid]
		if len(got) < 50 {
			t.Errorf("set %q: %d samples of goroutine %d", name, len(got), set.Goid)
		}
		for i, labels := range got {
			if !maps.Equal(labels, set.Labels) {
				t.Fatalf("set %q, sample %d of %d: %d labels %v, want %d", name, i, len(got), len(labels), labels, len(set.Labels))
			}
		}
	}
	t.Logf("%d samples, %d lost, %d completed, %d truncated", st.Samples, st.Lost, st.Completed, st.Truncated)
}
