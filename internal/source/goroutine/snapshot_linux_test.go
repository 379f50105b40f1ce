package goroutine_test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// snapshot is all goroutines by id.
func (x *live) snapshot(t *testing.T) map[uint64]*goroutine.Goroutine {
	t.Helper()
	all := map[uint64]*goroutine.Goroutine{}
	last := uint64(0)
	err := x.Snapshot(func(g *goroutine.Goroutine) {
		if g.ID <= last {
			t.Errorf("goroutine %d after %d", g.ID, last)
		}
		last = g.ID
		all[g.ID] = g
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The goroutines of testdata/capture that do nothing are where the program says, started by whom and
// where it says, while a recording is running too.
func TestSnapshot(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) {
			x := open(t, target.Start(t, target.Compile(t, "capture", b), "-rate", "50"), goroutine.Options{})
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- x.Run(ctx, func(*sample.Sample) {}) }()
			all := x.snapshot(t)
			for end := time.Now().Add(10 * time.Second); all[1] != nil && all[1].State != "select" && time.Now().Before(end); {
				all = x.snapshot(t) // it may still be printing that it is ready
			}
			checkParked(t, x, all)
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			checkParked(t, x, x.snapshot(t))
		})
	}
}

func checkParked(t *testing.T, x *live, all map[uint64]*goroutine.Goroutine) {
	t.Helper()
	parked := 0
	for _, g := range all {
		names := x.names(g.Stack)
		if !strings.Contains(names, "main.park ") {
			continue
		}
		parked++
		if g.State != "select (no cases)" || g.WaitReason != string(g.State) || g.ThreadID != 0 || len(g.Labels) > 0 || g.Loss != sample.Whole {
			t.Errorf("a parked goroutine: %+v", g)
		}
		if names != "runtime.gopark runtime.block main.park runtime.goexit" {
			t.Errorf("stack %s", names)
		}
		if f := x.names([]uint64{g.StartPC + 1}); f != "main.park" && !strings.HasPrefix(f, "main.main.") {
			t.Errorf("it starts in %s", f)
		}
		if f := x.names([]uint64{g.GoPC}); f != "main.main" || g.ParentID != 1 {
			t.Errorf("started by goroutine %d in %s", g.ParentID, f)
		}
	}
	if parked != 50 {
		t.Errorf("%d goroutines are parked, of %d", parked, len(all))
	}
	main := all[1]
	if main == nil || main.State != "select" || !strings.HasSuffix(x.names(main.Stack), "main.main runtime.main runtime.goexit") {
		t.Errorf("the main goroutine: %+v", main)
	}
}

// All label sets of testdata/labels are read: of 0 to 40 labels, of 4 KiB, in the maps of Go up to
// 1.23 and in the lists of later versions, of goroutines that never stop running.
func TestSnapshotLabels(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) {
			x := open(t, target.Start(t, target.Compile(t, "labels", b)), goroutine.Options{})
			all := x.snapshot(t)
			var truth struct {
				Sets map[string]struct {
					Goid   uint64
					Labels map[string]string
				}
			}
			x.Truth(&truth)
			if len(truth.Sets) < 7 {
				t.Fatalf("%d sets", len(truth.Sets))
			}
			for name, want := range truth.Sets {
				g := all[want.Goid]
				if g == nil {
					t.Errorf("set %q: goroutine %d was not seen", name, want.Goid)
					continue
				}
				labels := map[string]string{}
				for _, l := range g.Labels {
					labels[l.Key] = l.Value
				}
				if !maps.Equal(labels, want.Labels) {
					t.Errorf("set %q: %d labels %.200v, want %d", name, len(labels), labels, len(want.Labels))
				}
				if s := g.State; s != sample.Running && s != sample.Runnable && s != sample.Syscall {
					t.Errorf("set %q: a goroutine that never waits is in state %q", name, s)
				}
			}
		})
	}
}

// The states of each goroutine add up to the time that it was there, whatever it did.
func TestStatesAddUp(t *testing.T) {
	x := open(t, target.Start(t, target.Compile(t, "server", target.Build{})), goroutine.Options{MaxOverhead: 0.5})
	type life struct{ from, to, sum int64 }
	lives := map[uint64]*life{}
	states := map[sample.State]int64{}
	x.record(t, 2*time.Second, func(s *sample.Sample) {
		l := lives[s.Goid]
		if l == nil {
			l = &life{from: s.Time - s.Weight}
			lives[s.Goid] = l
		}
		if from := s.Time - s.Weight; from != l.to && l.to != 0 {
			t.Errorf("goroutine %d: %d ns between two samples", s.Goid, from-l.to)
		}
		l.to, l.sum = s.Time, l.sum+s.Weight
		states[s.State] += s.Weight
	})
	for id, l := range lives {
		if l.to-l.from != l.sum {
			t.Errorf("goroutine %d was there for %d ns, its states add up to %d", id, l.to-l.from, l.sum)
		}
	}
	t.Logf("%v; %+v", states, x.Stats())
	for _, s := range []sample.State{sample.Running, sample.Runnable, "IO wait", "select"} {
		if states[s] == 0 {
			t.Errorf("nobody was ever in state %q", s)
		}
	}
	if states[sample.Unknown] > 0 {
		t.Errorf("%d ns in state unknown", states[sample.Unknown])
	}
}

// A program whose main goroutine has ended by runtime.Goexit is one like others, and the goroutines
// of which the runtime knows that they wait for ever are called so.
func TestMainGoroutineEnded(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) { checkOrphansOf(t, target.Compile(t, "orphans", b), nil, "chan receive") })
	}
}

func TestLeaked(t *testing.T) {
	checkOrphansOf(t, target.Compile(t, "orphans", target.Build{Go: "1.27.4"}), []string{"-leak"}, sample.Leaked)
}

// checkOrphansOf dumps testdata/orphans, whose blocked goroutines are to be in a state.
func checkOrphansOf(t *testing.T, exe string, args []string, blocked sample.State) {
	t.Helper()
	target := target.Start(t, exe, args...)
	x := open(t, target, goroutine.Options{})
	states := map[sample.State]int{}
	sleepers := map[string]bool{}
	for _, g := range x.snapshot(t) {
		if g.ID == 1 {
			t.Errorf("goroutine 1 is still there: %+v", g)
		}
		if strings.Contains(x.names(g.Stack), "main.leak") {
			states[g.State]++
			if g.WaitReason != "chan receive" {
				t.Errorf("a goroutine that is %s waits for %q", g.State, g.WaitReason)
			}
		}
		for _, l := range g.Labels {
			sleepers[l.Value] = true
		}
	}
	var truth struct{ Sleepers, Leaked int }
	target.Truth(&truth)
	if states[blocked] != truth.Leaked || len(states) != 1 {
		t.Errorf("blocked goroutines: %v, want %d times %s", states, truth.Leaked, blocked)
	}
	if len(sleepers) != truth.Sleepers {
		t.Errorf("%d sleepers with labels, want %d", len(sleepers), truth.Sleepers)
	}
}

// A release that mayfly does not know is read by the code of its runtime: nothing is missing.
func TestUnknownRelease(t *testing.T) {
	for _, b := range []target.Build{{}, {Strip: true}, {Strip: true, PIE: true, CGO: true}} {
		for _, b.Go = range []string{"1.24.13", "1.27.4"} {
			t.Run(b.String(), func(t *testing.T) { checkOrphansOf(t, unknown(t, b), nil, "chan receive") })
		}
	}
}

// unknown is testdata/orphans as if it were built by a release that the table does not know.
func unknown(t *testing.T, b target.Build) string {
	img, err := os.ReadFile(target.Compile(t, "orphans", b))
	if err != nil {
		t.Fatal(err)
	}
	future := "go1.99" + b.Go[len("1.24"):]
	exe := filepath.Join(t.TempDir(), "orphans")
	if err := os.WriteFile(exe, bytes.ReplaceAll(img, []byte("go"+b.Go), []byte(future)), 0o755); err != nil {
		t.Fatal(err)
	}
	return exe
}
