//go:build amd64 || arm64

package bpf

import (
	"context"
	"debug/elf"
	"maps"
	"os"
	"strings"
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
	if o.Layout == nil {
		o.Layout, err = goruntime.Read(exe)
	}
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
	none := 0
	st := watch(t, x.PID, Options{Rate: 1999}, 1500*time.Millisecond, func(s *sample.Sample) {
		if s.LabelsTruncated {
			t.Errorf("goroutine %d: labels truncated", s.Goid)
		}
		if s.Goid == 0 {
			none++
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
		// Each burns as much as the others, as far as the machine lets it: an emulated one lets some of them wait.
		even := int(st.Samples) / len(truth.Sets)
		if len(got) == 0 || len(got) < min(50, even/4) && !target.Emulated() {
			t.Errorf("set %q: %d samples of goroutine %d, an even share is %d", name, len(got), set.Goid, even)
		}
		for i, labels := range got {
			if !maps.Equal(labels, set.Labels) {
				t.Fatalf("set %q, sample %d of %d: %d labels %v, want %d", name, i, len(got), len(labels), labels, len(set.Labels))
			}
		}
	}
	t.Logf("%d samples, %d of no goroutine, %d lost, %d completed, %d truncated", st.Samples, none, st.Lost, st.Completed, st.Truncated)
}

// A layout that does not fit takes goroutine and labels from each sample that shows it, and each is counted: no sample in the
// program's own functions, where a goroutine runs, is an exception.
func TestWrongLayout(t *testing.T) {
	target.Need(t, Probe())
	exe := target.Compile(t, "spin", target.Build{})
	work := functions(t, exe, "main.")
	for _, tt := range []struct {
		name  string
		spoil func(*goruntime.Layout)
	}{
		{"m", func(l *goruntime.Layout) { l.G.M += 8 }},
		{"curg", func(l *goruntime.Layout) { l.M.Curg += 8 }},
		{"goid", func(l *goruntime.Layout) { l.G.Goid = l.G.M - 8 }}, // g._defer: nil
		{"stack", func(l *goruntime.Layout) { l.G.StackLo = l.G.SchedPC }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := os.Open(exe)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			l, err := goruntime.Read(f)
			if err != nil {
				t.Fatal(err)
			}
			tt.spoil(l)
			x := target.Start(t, exe, "-n", "2")
			var all, with, own int64
			st := watch(t, x.PID, Options{Layout: l}, 300*time.Millisecond, func(s *sample.Sample) {
				all++
				if s.Goid != 0 || len(s.Labels) > 0 {
					with++
				}
				if len(s.User) > 0 && s.User[0] >= work[0] && s.User[0] < work[1] {
					own++
				}
			})
			if own < 10 || with > 0 || st.Doubtful < own {
				t.Errorf("%d samples, %d of them with a goroutine or labels, %d in the program's functions, %d doubtful", all, with, own, st.Doubtful)
			}
		})
	}
}

// functions is the range that the functions of an executable lie in whose names begin with prefix.
func functions(t *testing.T, exe, prefix string) (r [2]uint64) {
	t.Helper()
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && strings.HasPrefix(s.Name, prefix) {
			if r[0] == 0 {
				r[0] = s.Value
			}
			r[0], r[1] = min(r[0], s.Value), max(r[1], s.Value+s.Size)
		}
	}
	return r
}
