package main

import (
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/export"
)

// A window of a flight recorder is in the format that the name asks for: .speedscope.json was cut at its last dot.
func TestDumpName(t *testing.T) {
	now := time.Date(2026, 11, 28, 1, 2, 3, 4e6, time.UTC)
	for name, want := range map[string]string{
		"a/mayfly.pb.gz":    "a/mayfly-20261128T010203.004Z.pb.gz",
		"x.Speedscope.json": "x-20261128T010203.004Z.Speedscope.json",
		"x.y.folded":        "x.y-20261128T010203.004Z.folded",
		"x.data":            "x-20261128T010203.004Z.data",
		"x":                 "x-20261128T010203.004Z",
	} {
		if got := dumpName(name)(now); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestFormatNeedsWhatIsRecorded(t *testing.T) {
	for _, tt := range []struct {
		f    recordFlags
		want string
	}{
		{recordFlags{mode: "cpu", profileFlags: profileFlags{shown: export.Options{Column: "wall"}}},
			`record: --column "wall": not samples, cpu`},
		{recordFlags{mode: "wall", profileFlags: profileFlags{shown: export.Options{Column: "heap"}}},
			`record: --column "heap": not samples, cpu, runnable, blocked, wall`},
		{recordFlags{mode: "wall", profileFlags: profileFlags{shown: export.Options{Column: "blocked"}}}, ""},
		{recordFlags{mode: "wall", output: "x.pftrace"},
			"record: the format perfetto draws when things happened: it needs --timeline"},
		{recordFlags{mode: "wall", output: "x.pftrace", timeline: true}, ""},
		{recordFlags{mode: "wall", output: "x.pftrace", timeline: true, pickFlags: pickFlags{latency: 1}},
			"record: what --latency keeps has no timeline, which the format perfetto needs"},
		{recordFlags{mode: "wall", output: "x.html"}, ""},
	} {
		got := ""
		if err := tt.f.checkFormat(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.f.shown, got, tt.want)
		}
	}
}
