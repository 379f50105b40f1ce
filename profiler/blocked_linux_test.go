package profiler_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

const cannotBeRead = "the target's memory cannot be read"

// blocked starts a program in which a label that nobody can read appears after some time.
func blocked(t *testing.T, after time.Duration) *target.Target {
	x := target.Start(t, target.Compile(t, "blocked", target.Build{}), "-after", after.String(), "-burn")
	if strings.HasPrefix(x.Ready, "ready errno") {
		target.Need(t, errors.ErrUnsupported)
	}
	return x
}

// mustEnd fails the test when f does not return.
func mustEnd(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

// A recording of a process with a page that nobody can read ends when it should, has what could be read, and says what is
// missing.
func TestRecordEndsWhenMemoryBlocks(t *testing.T) {
	x := blocked(t, 2*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var rec *profiler.Recording
	var err error
	mustEnd(t, func() {
		rec, err = profiler.Record(ctx, x.PID, profiler.Options{MaxOverhead: 1, Started: func(profiler.Summary) {
			time.AfterFunc(5*time.Second, cancel)
		}})
	})
	target.Need(t, err)
	if !slices.ContainsFunc(rec.Summary.Denied, func(d string) bool { return strings.HasPrefix(d, cannotBeRead) }) {
		t.Errorf("denied is %q", rec.Summary.Denied)
	}
	if s := rec.Summary; s.CPU.Profiled < s.CPU.Rusage*9/10 || s.CPU.Rusage == 0 {
		t.Errorf("samples stand for %d of %d ns of CPU time", s.CPU.Profiled, s.CPU.Rusage)
	}
}

// A stream ends by itself: nobody would notice that it says nothing any more.
func TestStreamEndsWhenMemoryBlocks(t *testing.T) {
	x := blocked(t, 2*time.Second)
	mustEnd(t, func() {
		n := 0
		err := profiler.Stream(t.Context(), x.PID, profiler.StreamOptions{Every: 300 * time.Millisecond}, func(*profiler.Recording) error {
			n++
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), cannotBeRead) || n == 0 {
			target.Need(t, err)
			t.Errorf("%d slices, %v", n, err)
		}
	})
}

func TestDumpEndsWhenMemoryBlocks(t *testing.T) {
	x := blocked(t, 0)
	mustEnd(t, func() {
		var err error
		for end := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(end); { // until it has the label
			_, err = profiler.Dump(t.Context(), x.PID)
		}
		if err == nil || !strings.Contains(err.Error(), cannotBeRead) {
			t.Error(err)
		}
	})
}
