package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// Looks that the budget made rare are told, with what buys more; those that a busy machine missed are not the budget's.
func TestTellScans(t *testing.T) {
	tests := []struct {
		name         string
		rate, lowest float64
		overhead     percentage
		want         string
	}{
		{"as asked", 998, 999, 0.1, ""},
		{"missed, not for the budget", 700, 999, 0.1, ""},
		{"lowered at first only", 960, 400, 0.1, ""},
		{"lowered", 395, 380, 0.1, "395 scans a second of 999 is what --max-overhead 10% of a core allows; --max-overhead 25% allows more"},
		{"lowered by default", 29, 20, 0, "29 scans a second of 999 is what the default --max-overhead allows (10%, or 1% of all CPUs, " +
			"and at most 2.5% of them while they are busy); --max-overhead "},
		{"lowered at half a core", 395, 380, 0.5, "--max-overhead 100% allows more"},
		{"lowered at all of one", 395, 380, 1, "more than one core cannot be used"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			rec := &profiler.Recording{Profile: &profile.Profile{}, Summary: profiler.Summary{
				EngineWall: "goroutine table", RateAsked: 999, Table: summary.Table{Rate: tt.rate, Lowest: tt.lowest},
				Coverage: summary.Coverage{Created: 100, New: 52},
			}}
			tellWall(&env{stderr: &stderr}, &recordFlags{output: "x", overhead: tt.overhead}, rec)
			said := stderr.String()
			if !strings.Contains(said, "52.0 % of them seen") || strings.Contains(said, "scans a second") != (tt.want != "") ||
				!strings.Contains(said, tt.want) {
				t.Errorf("said %q, want %q in it", said, tt.want)
			}
		})
	}
}

// The line that is there to be pasted names the file, whatever its name is.
func TestTellPastes(t *testing.T) {
	for _, tt := range []struct{ output, want string }{
		{"mayfly.pb.gz", "go tool pprof -http=: mayfly.pb.gz\n"},
		{"it's $HOME/a b.pb.gz", "go tool pprof -http=: 'it'\\''s $HOME/a b.pb.gz'\n"},
	} {
		var stderr bytes.Buffer
		tell(&env{stderr: &stderr}, &recordFlags{output: tt.output}, &profiler.Recording{Summary: profiler.Summary{EngineWall: "none"}})
		if !strings.HasSuffix(stderr.String(), tt.want) {
			t.Errorf("said %q, want %q at the end", stderr.String(), tt.want)
		}
	}
}
