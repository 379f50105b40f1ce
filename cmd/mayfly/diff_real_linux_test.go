package main

import (
	"context"
	"debug/elf"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// A model of noise is one thing, the noise of real programs on a real machine another. These tests
// take many short recordings of unchanged programs and compare them with each other: whatever the
// diff calls a regression there is a false one. Recording takes long, so it is asked for, and can be
// done in pieces:
//
//	go test -v -timeout 60m -run TestRecordUnchanged ./cmd/mayfly -recordings /some/folder -recordings.take 25
//	go test -v -timeout 60m -run TestUnchangedPrograms ./cmd/mayfly -recordings /some/folder
//
// The recordings stay in that folder and are taken once.
var (
	recordings       = flag.String("recordings", "", "folder with recordings of unchanged programs")
	recordingsTake   = flag.Int("recordings.take", recordingsPerProgram*len(unchanged), "recordings to take in this run, at most")
	recordingsLength = flag.Duration("recordings.length", 5*time.Second, "length of a recording")
)

// recordingsPerProgram is enough to draw two sets of five from that are seldom the same.
const recordingsPerProgram = 20

// unchanged are the workloads of which recordings are taken, each from a fresh process.
var unchanged = []struct {
	name   string
	bursty bool
	start  func(*testing.T) (pid int, end func())
}{
	{"spin", false, testdataProgram("spin")},
	{"server", false, testdataProgram("server")},
	{"capture", false, testdataProgram("capture")},
	{"tickphase", true, testdataProgram("tickphase")},
	{"demo", true, startDemo},
}

func testdataProgram(name string) func(*testing.T) (int, func()) {
	return func(t *testing.T) (int, func()) {
		x := target.Start(t, target.Compile(t, name, target.Build{}))
		return x.PID, x.Stop
	}
}

// startDemo starts the demo's service and its load.
func startDemo(t *testing.T) (int, func()) {
	ready, end := demoRoles(t)
	return ready.PID, end
}

// TestRecordUnchanged takes the recordings that are missing, each of a fresh process.
func TestRecordUnchanged(t *testing.T) {
	if *recordings == "" {
		t.Skip("-recordings names no folder")
	}
	if err := os.MkdirAll(*recordings, 0o755); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i := range recordingsPerProgram {
		for _, p := range unchanged {
			path := filepath.Join(*recordings, fmt.Sprintf("%s-%02d.pb.gz", p.name, i))
			if _, err := os.Stat(path); err == nil || taken == *recordingsTake {
				continue
			}
			pid, end := p.start(t)
			takeRecording(t, pid, path, profiler.Options{Keep: profiler.Keep{Timeline: true}})
			end()
			taken++
		}
	}
}

// takeRecording waits until the program runs smoothly, and records it.
func takeRecording(t *testing.T, pid int, path string, o profiler.Options) {
	time.Sleep(500 * time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Started = func(profiler.Summary) { time.AfterFunc(*recordingsLength, cancel) }
	rec, err := profiler.Record(ctx, pid, o)
	target.Need(t, err)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeOutput(processEnv(), output{path: path}, func(w io.Writer) error { return rec.Profile.Write(w) }); err != nil {
		t.Fatal(err)
	}
}

// TestUnchangedProgramsDoNotRegress compares recordings of unchanged programs, 40 times each: at most
// one comparison in twenty may call a regression.
func TestUnchangedProgramsDoNotRegress(t *testing.T) {
	dir := *recordings
	if dir == "" {
		t.Skip("-recordings names no folder: TestRecordUnchanged fills one in ten minutes")
	}
	for _, tt := range []struct {
		by       string
		repeats  int
		timeline bool
	}{
		{"func", 5, false}, {"func", 1, false}, {"func", 1, true}, {"func", 3, false},
		{"label:endpoint,state", 5, false}, {"state", 5, false}, {"state", 1, true},
	} {
		name := fmt.Sprintf("by %s, %d a side, timeline %v", tt.by, tt.repeats, tt.timeline)
		by, err := diff.ParseBy(tt.by)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(5, 5))
		outcomes, regressed := make(map[diff.Outcome]int), make(map[string]int)
		for _, p := range unchanged {
			all := reduced(t, filepath.Join(dir, p.name+"-*.pb.gz"), diff.Options{By: by}, tt.timeline)
			for range 40 {
				sides := draw(rng, all, tt.repeats)
				r, err := diff.Compare(sides[0], sides[1], diff.Options{By: by})
				if err != nil {
					t.Fatal(err)
				}
				if outcomes[r.Outcome]++; r.Outcome == diff.Regressed {
					regressed[p.name]++
				}
			}
		}
		t.Logf("%s: %v, regressed %v", name, outcomes, regressed)
		if n := outcomes[diff.Regressed]; n > 10 {
			t.Errorf("%s: %d of 200 comparisons of unchanged programs regressed: %v", name, n, regressed)
		}
	}
}

// reduced reads all recordings of one program; without the timeline as plain profiles.
func reduced(t *testing.T, pattern string, o diff.Options, timeline bool) []*diff.Profile {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < recordingsPerProgram {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	var all []*diff.Profile
	for _, path := range files {
		p, err := readProfile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Sample {
			if !timeline {
				delete(s.NumLabel, "end_timestamp_ns")
			}
		}
		all = append(all, diff.Reduce(p, path, o))
	}
	return all
}

// draw draws two sets without a recording in common.
func draw(rng *rand.Rand, all []*diff.Profile, k int) (sides [2][]*diff.Profile) {
	order := rng.Perm(len(all))
	for i := range k {
		sides[0], sides[1] = append(sides[0], all[order[i]]), append(sides[1], all[order[k+i]])
	}
	return sides
}

// TestReleasesAndRatesDoNotRegress compares recordings of one program built by Go 1.22 and by this Go,
// and at 100 Hz and 999 Hz: that functions have other names or more samples is no regression.
func TestReleasesAndRatesDoNotRegress(t *testing.T) {
	if *recordings == "" {
		t.Skip("-recordings names no folder: this records for a minute")
	}
	older := functions(t, target.Compile(t, "server", target.Build{Go: "1.22.12"}))
	take := func(build target.Build, rate int) (all []*diff.Profile) {
		exe := target.Compile(t, "server", build)
		for i := range 5 {
			x := target.Start(t, exe)
			path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.pb.gz", i))
			takeRecording(t, x.PID, path, profiler.Options{Rate: rate})
			x.Stop()
			p, err := diffInput{name: path}.reduce(diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		return all
	}
	base := take(target.Build{}, 999)
	for name, other := range map[string][]*diff.Profile{
		"Go 1.22": take(target.Build{Go: "1.22.12"}, 999),
		"100 Hz":  take(target.Build{}, 100),
	} {
		r, err := diff.Compare(other, base, diff.Options{Columns: []string{"cpu"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s to this: %s; %q", name, r.Verdict(), r.Notes)
		for _, row := range r.Columns[0].Rows {
			t.Logf("%-10s %6.2f %% %6.2f %% %s", row.Outcome, 100*row.Base.Mean, 100*row.New.Mean, row.Name)
			// What the older standard library has and did not need is a change; what it does not have may be a new name.
			if row.Outcome == diff.Regressed && (name == "100 Hz" || row.Base.Mean == 0 && !older[row.Name]) {
				t.Errorf("%s: %s regressed from %g to %g", name, row.Name, row.Base.Mean, row.New.Mean)
			}
		}
	}
}

// functions are those that an executable has code of, by the names that a diff gives them.
func functions(t *testing.T, exe string) map[string]bool {
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, s := range symbols {
		names[diff.FuncName(s.Name)] = true
	}
	return names
}
