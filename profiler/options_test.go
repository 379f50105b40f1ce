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
		own  bool // wrong for a session, too
	}{
		{profiler.Options{Mode: "wal"}, `mode "wal": not wall or cpu`, true},
		{profiler.Options{Rate: -1}, "rate -1 Hz: not between 1 and", true},
		{profiler.Options{Rate: math.MaxInt}, "not between 1 and", true},
		{profiler.Options{MaxOverhead: -0.1}, "overhead -0.1: not a share", true},
		{profiler.Options{MaxOverhead: 1.5}, "overhead 1.5: not a share", true},
		{profiler.Options{MaxOverhead: math.NaN()}, "overhead NaN: not a share", true},
		{profiler.Options{MemoryLimit: -1}, "memory limit of -1 bytes", true},
		{profiler.Options{Every: -time.Second}, "slices of -1s", true},
		{profiler.Options{Engine: "dtrace"}, `engine "dtrace": not one of`, true},
		{profiler.Options{Engine: profiler.FGProf, Mode: profiler.CPU}, "engine fgprof", true},
		{profiler.Options{Engine: profiler.Runtime}, "engine runtime is for the own process only", false},
		{profiler.Options{Engine: profiler.FGProf}, "engine fgprof is for the own process only", false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, recordErr := profiler.Record(ctx, os.Getpid(), tt.o)
		streamErr := profiler.Stream(ctx, os.Getpid(), tt.o, func(*profiler.Recording) error { return errors.New("a slice") })
		cancel()
		errs := map[string]error{"Record": recordErr, "Stream": streamErr}
		if tt.own {
			s, err := profiler.Start(tt.o)
			if errs["Start"] = err; err == nil {
				s.Stop()
			}
		}
		for entry, err := range errs {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s(%+v): %v, want %s", entry, tt.o, err, tt.want)
			}
		}
	}
}
