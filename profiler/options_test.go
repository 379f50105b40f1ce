package profiler_test

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
)

// What is wrong with options is an error of every entry, before anything is opened.
func TestOptionsAreValidated(t *testing.T) {
	for _, tt := range []struct {
		o    profiler.Options
		want string
	}{
		{profiler.Options{Mode: "wal"}, `mode "wal": not wall or cpu`},
		{profiler.Options{Rate: -1}, "rate -1 Hz: not between 1 and"},
		{profiler.Options{Rate: math.MaxInt}, "not between 1 and"},
		{profiler.Options{Scans: -1}, "rate -1 Hz: not between 1 and"},
		{profiler.Options{MaxOverhead: -0.1}, "overhead -0.1: not a share"},
		{profiler.Options{MaxOverhead: 1.5}, "overhead 1.5: not a share"},
		{profiler.Options{MaxOverhead: math.NaN()}, "overhead NaN: not a share"},
		{profiler.Options{MemoryLimit: -1}, "memory limit of -1 bytes"},
		{profiler.Options{Engine: "dtrace"}, `engine "dtrace": not one of`},
		{profiler.Options{Share: 1.5}, "overhead 1.5: not a share"},
		{profiler.Options{Share: math.NaN()}, "overhead NaN: not a share"},
		{profiler.Options{Engine: profiler.Runtime}, "engine runtime is for the own process only"},
		{profiler.Options{Engine: profiler.FGProf}, "engine fgprof is for the own process only"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, recordErr := profiler.Record(ctx, os.Getpid(), tt.o)
		emit := func(*profiler.Recording) error { return errors.New("a slice") }
		streamErr := profiler.Stream(ctx, os.Getpid(), profiler.StreamOptions{Options: tt.o}, emit)
		cancel()
		errs := map[string]error{"Record": recordErr, "Stream": streamErr}
		for entry, err := range errs {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s(%+v): %v, want %s", entry, tt.o, err, tt.want)
			}
		}
	}
}

// What only some entries can do is refused by the others.
func TestOptionsOfEntries(t *testing.T) {
	emit := func(*profiler.Recording) error { return errors.New("a slice") }
	err := profiler.Stream(t.Context(), os.Getpid(), profiler.StreamOptions{Every: -time.Second}, emit)
	if err == nil || !strings.Contains(err.Error(), "slices of -1s") {
		t.Errorf("negative slices: %v", err)
	}
	calls := profiler.Options{Calls: []string{"main.main"}}
	if err := profiler.Stream(t.Context(), os.Getpid(), profiler.StreamOptions{Options: calls}, emit); err == nil ||
		!strings.Contains(err.Error(), "for Record") {
		t.Errorf("a stream with calls: %v", err)
	}
	if _, err := profiler.Record(t.Context(), os.Getpid(), calls); err == nil || !strings.Contains(err.Error(), "wants Keep.Timeline") {
		t.Errorf("calls without a timeline: %v", err)
	}
}
