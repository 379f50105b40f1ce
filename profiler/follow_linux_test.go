package profiler

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// startsOver starts a program that executes itself after a while, and then goes on for longer than a test.
func startsOver(t *testing.T, b target.Build, after time.Duration) *target.Target {
	t.Helper()
	exe := target.Compile(t, "execs", b)
	return target.Start(t, exe, "-after", after.String(), "--", exe, "-after", "2m")
}

// The goroutine table of the program that a process executes next is not taken for that of the one before, also when both are the same
// program, with the same things at the same addresses and as many goroutines.
func TestStreamOneProgram(t *testing.T) {
	for _, b := range []target.Build{{}, {PIE: true}} {
		t.Run(b.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			end := ""
			o := StreamOptions{Every: 200 * time.Millisecond, OneProgram: true, Options: Options{Engine: Table, Scans: 5, MaxOverhead: 1}}
			err := Stream(ctx, startsOver(t, b, time.Second).PID, o, func(rec *Recording) error { end = rec.Summary.End; return nil })
			target.Need(t, err)
			if end != endExec {
				t.Errorf("the last slice ended since %q", end)
			}
		})
	}
}

// What was read of two programs while a process was opened is not put together.
func TestOpenedTwoPrograms(t *testing.T) {
	x := startsOver(t, target.Build{}, 300*time.Millisecond)
	arguments := func() string {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(x.PID) + "/cmdline")
		return string(b)
	}
	first := arguments()
	r, err := openTarget(x.PID, Options{Engine: Table})
	target.Need(t, err)
	defer r.leave()
	if r.replaced() {
		t.Error("the program is taken for another one")
	}
	for end := time.Now().Add(time.Minute); arguments() == first && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if err := r.attachOne(t.Context()); !errors.Is(err, source.ErrExec) {
		t.Errorf("got %v; another program %t, alive %t", err, r.memory.Over(), r.target.Alive())
	}
}
