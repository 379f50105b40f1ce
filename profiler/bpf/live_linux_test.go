//go:build amd64 || arm64

package bpf

import (
	"context"
	"maps"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

// A thread that appeared while events were being opened may be sampled twice. Two samples within
// half a period give it away; a thread that is sampled once is left alone.
func TestTwinsEventIsClosed(t *testing.T) {
	const period = 1000
	for _, tt := range []struct {
		name  string
		times []uint64
		left  int
	}{
		{"twice", []uint64{1000, 1100, 2000, 2100}, 1},
		{"once", []uint64{1000, 2000, 2990, 4000, 9000}, 2},
		{"once, a late timer", []uint64{1000, 2700, 3010, 4000}, 2},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		other, err := unix.Dup(int(r.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		mine, err := unix.Dup(int(w.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		e := &events{fds: []int{other, mine}, twins: map[uint32]*twin{7: {fd: mine}}}
		for _, at := range tt.times {
			e.look(7, at, period)
			e.look(8, at, period)
		}
		if len(e.fds) != tt.left || e.fds[0] != other {
			t.Errorf("%s: %d events left, want %d", tt.name, len(e.fds), tt.left)
		}
		e.close()
		r.Close()
		w.Close()
	}
}
