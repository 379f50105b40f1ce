package profiler_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// stream records a running target for d in slices, or skips where the host does not allow it.
func stream(t *testing.T, pid int, d time.Duration, o profiler.StreamOptions) []*profiler.Recording {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Started = func(profiler.Summary) { time.AfterFunc(d, cancel) }
	var all []*profiler.Recording
	err := profiler.Stream(ctx, pid, o, func(rec *profiler.Recording) error {
		all = append(all, rec)
		return nil
	})
	target.Need(t, err)
	for _, rec := range all {
		if err := rec.Profile.CheckValid(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// adjoin fails unless each slice begins where the one before ended.
func adjoin(t *testing.T, all []*profiler.Recording) {
	t.Helper()
	for i, rec := range all[1:] {
		before := all[i].Profile
		if end := before.TimeNanos + before.DurationNanos; end != rec.Profile.TimeNanos {
			t.Errorf("slice %d ends at %d, slice %d begins at %d", i, end, i+1, rec.Profile.TimeNanos)
		}
	}
}

// The slices of a stream adjoin, and together they are what one recording would be: all CPU time of
// the process, and for each goroutine that lives throughout, the length of the recording.
func TestStreamAddsUp(t *testing.T) {
	x := target.Start(t, target.Compile(t, "labels", target.Build{}), "-procs", "2")
	all := stream(t, x.PID, 3*time.Second, profiler.StreamOptions{Every: 400 * time.Millisecond, Options: profiler.Options{MaxOverhead: 1,
		Keep: profiler.Keep{Goroutines: true}}})
	var truth struct {
		Sets map[string]struct{ Goid uint64 }
	}
	x.Truth(&truth)
	if len(all) < 3 {
		t.Fatalf("%d slices of 3 s", len(all))
	}
	adjoin(t, all)
	var cpu, rusage, length int64
	wall := make(map[uint64]int64)
	for _, rec := range all {
		if first := all[0].Summary.Table.First; rec.Summary.Table.First != first && first > 0 {
			t.Errorf("the first scan of all took %d ns in one slice's words, %d in another's", rec.Summary.Table.First, first)
		}
		cpu, rusage, length = cpu+rec.Summary.CPU.Profiled, rusage+rec.Summary.CPU.Rusage, length+rec.Profile.DurationNanos
		for id, ns := range wallOf(rec.Profile) {
			wall[id] += ns
		}
	}
	for name, set := range truth.Sets {
		if off := float64(wall[set.Goid])/float64(length) - 1; math.Abs(off) > 0.15 {
			t.Errorf("set %q: slices add up to %+.1f %% of the recording", name, 100*off)
		}
	}
	if all[0].Summary.EngineCPU == "ebpf" {
		if off := float64(cpu)/float64(rusage) - 1; math.Abs(off) > 0.02 {
			t.Errorf("CPU time of all slices is %+.1f %% of rusage", 100*off)
		}
	}
	t.Logf("%d slices, %.3fs, CPU %.3fs, rusage %.3fs", len(all), float64(length)/1e9, float64(cpu)/1e9, float64(rusage)/1e9)
}

// wallOf is the time in all states by goroutine.
func wallOf(p *profile.Profile) map[uint64]int64 {
	sums := make(map[uint64]int64)
	for _, s := range p.Sample {
		for _, id := range s.NumLabel["go.id"] {
			sums[uint64(id)] += s.Value[4]
		}
	}
	return sums
}

// needTable skips a test of goroutine states where they could not be read for want of rights.
func needTable(t *testing.T, rec *profiler.Recording) {
	t.Helper()
	if rec.Summary.EngineWall == "none" {
		target.Need(t, fmt.Errorf("%q: %w", rec.Summary.Denied, fs.ErrPermission))
	}
}

// A goroutine that waits throughout is in each slice with the slice's length, to the tick: its stay
// is cut at the borders.
func TestStreamCutsIntervals(t *testing.T) {
	x := target.Start(t, target.Compile(t, "idle", target.Build{}))
	all := stream(t, x.PID, 2*time.Second, profiler.StreamOptions{Every: 300 * time.Millisecond, Options: profiler.Options{MaxOverhead: 1,
		Keep: profiler.Keep{Goroutines: true, Idle: true}}})
	adjoin(t, all)
	needTable(t, all[0])
	for i, rec := range all[1 : len(all)-1] { // not the first, in which the goroutines are found
		still := 0
		for _, ns := range wallOf(rec.Profile) {
			if off := ns - rec.Profile.DurationNanos; off > -int64(time.Millisecond) && off < int64(time.Millisecond) {
				still++
			}
		}
		if still == 0 {
			t.Errorf("slice %d of %v: no goroutine has its length: %v", i+1, time.Duration(rec.Profile.DurationNanos), wallOf(rec.Profile))
		}
	}
}

// A slice that ends while an earlier one is handed out is as long as it was observed.
func TestStreamLengthIsWhatWasObserved(t *testing.T) {
	x := target.Start(t, target.Compile(t, "idle", target.Build{}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all []*profiler.Recording
	o := profiler.StreamOptions{Every: 200 * time.Millisecond}
	o.Keep.Idle = true
	err := profiler.Stream(ctx, x.PID, o,
		func(rec *profiler.Recording) error {
			if all = append(all, rec); len(all) == 1 {
				time.Sleep(100 * time.Millisecond)
				cancel()
				time.Sleep(2 * time.Second)
			}
			return nil
		})
	target.Need(t, err)
	adjoin(t, all)
	needTable(t, all[0])
	if length := time.Duration(all[len(all)-1].Profile.DurationNanos); len(all) != 2 || length >= 2*time.Second {
		t.Errorf("%d slices; the last is %v long, its sources were told to end after 0.1 s", len(all), length)
	}
}

// An error of emit ends the stream.
func TestStreamEndsWithEmit(t *testing.T) {
	x := target.Start(t, target.Compile(t, "idle", target.Build{}))
	enough, n := errors.New("enough"), 0
	err := profiler.Stream(t.Context(), x.PID, profiler.StreamOptions{Every: 50 * time.Millisecond}, func(*profiler.Recording) error {
		n++
		return enough
	})
	if !errors.Is(err, enough) {
		target.Need(t, err)
	}
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("err = %v after %d slices", err, n)
	}
}

// The target's end is the end of the last slice, and no error.
func TestStreamEndsWithTarget(t *testing.T) {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	var all []*profiler.Recording
	err := profiler.Stream(t.Context(), x.PID, profiler.StreamOptions{Every: 200 * time.Millisecond}, func(rec *profiler.Recording) error {
		if all = append(all, rec); len(all) == 2 {
			x.Kill()
		}
		return nil
	})
	target.Need(t, err)
	adjoin(t, all)
	if s := all[len(all)-1].Summary; s.End != "the target exited" {
		t.Errorf("ended because %q", s.End)
	}
}
