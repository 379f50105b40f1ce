package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// watchTest is a watch of processes that are not there: the test says what they do, second by second. Each value of the label request
// is a request of one goroutine.
type watchTest struct {
	*watching
	t              *testing.T
	clock          time.Time
	n              int64 // goroutines so far
	stdout, stderr bytes.Buffer
}

// newWatchTest watches an objective of 100 ms with a window of five seconds, and one behind a breach.
func newWatchTest(t *testing.T, args ...string) *watchTest {
	t.Helper()
	x := &watchTest{t: t, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	e := &env{stdout: &x.stdout, stderr: &x.stderr, getenv: func(name string) string { return map[string]string{"GOMEMLIMIT": "off"}[name] }}
	f := watchFlags{recordFlags: recordFlags{mode: string(profiler.Wall)}}
	fl := pflag.NewFlagSet("watch", pflag.ContinueOnError)
	f.define(fl)
	all := append([]string{"--slo", "p99(request)<100ms", "--window", "5s", "--after", "1s", "--cool-down", "1m", "--no-trace", "--json",
		"-o", t.TempDir()}, args...)
	if err := fl.Parse(all); err != nil {
		t.Fatal(err)
	}
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(e, "watch", f.output)
	if err != nil {
		t.Fatal(err)
	}
	s.limit = f.disk
	x.watching = newWatching(e, &f, s)
	x.now = func() time.Time { return x.clock }
	return x
}

// heard has the watch hear something of a process.
func (x *watchTest) heard(ev event) {
	x.t.Helper()
	ev.name = fmt.Sprintf("program%d", ev.pid)
	if err := x.hear(x.t.Context(), &ev); err != nil {
		x.t.Fatal(err)
	}
}

// seconds lets time pass: so many seconds in which 40 requests of each process take so long.
func (x *watchTest) seconds(n int, took map[int]time.Duration) {
	x.t.Helper()
	for range n {
		from := x.clock
		x.clock = x.clock.Add(time.Second)
		for pid, d := range took {
			x.heard(event{pid: pid, rec: x.slice(from, d)})
		}
	}
}

func (x *watchTest) slice(from time.Time, took time.Duration) *profiler.Recording {
	p := &profile.Profile{TimeNanos: from.UnixNano(), DurationNanos: int64(time.Second), SampleType: []*profile.ValueType{
		{Type: sample.ColumnSamples, Unit: "count"}, {Type: sample.ColumnWall, Unit: "nanoseconds"}}}
	first := x.n
	if x.n += 40; took == hanging {
		first, took = 0, time.Second // the requests of the first slice, again
	}
	for id := first + 1; id <= first+40; id++ {
		p.Sample = append(p.Sample, &profile.Sample{Value: []int64{0, int64(took)},
			Label:    map[string][]string{"request": {fmt.Sprint(id)}, sample.KeyState: {"select"}},
			NumLabel: map[string][]int64{sample.KeyID: {id}, sample.KeyEnd: {from.Add(took).UnixNano()}}})
	}
	return &profiler.Recording{Profile: p}
}

// breached returns the breaches that were told so far.
func (x *watchTest) breached() (all []breachEvent) {
	x.t.Helper()
	x.writing.Wait()
	for line := range strings.Lines(x.stdout.String()) {
		var b struct {
			breachEvent
			Cause any `json:"cause"` // what it is, is the report's affair
		}
		if err := json.Unmarshal([]byte(line), &b); err != nil {
			x.t.Fatal(err)
		}
		all = append(all, b.breachEvent)
	}
	return all
}

// files are the names of those in the folder.
func (x *watchTest) files() (names []string) {
	paths, err := filepath.Glob(filepath.Join(x.store.dir, "*"))
	if err != nil {
		x.t.Fatal(err)
	}
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	return names
}

const (
	fast    = 10 * time.Millisecond
	slow    = 200 * time.Millisecond
	hanging = -1 // they go on and on
)

// Of several processes each is held against the objective by itself, a breach says whose it is, and the folder is bounded for all.
func TestWatchSeveral(t *testing.T) {
	x := newWatchTest(t, "-p", "3", "-p", "5", "--disk-limit", "2")
	x.heard(event{pid: 3})
	x.heard(event{pid: 5})
	x.seconds(8, map[int]time.Duration{3: fast, 5: fast})
	x.seconds(4, map[int]time.Duration{3: fast, 5: slow})
	all := x.breached()
	if len(all) != 1 || all[0].PID != 5 || all[0].Program != "program5" || all[0].Slow != 40 || all[0].Requests != 240 {
		t.Fatalf("%+v\n%s", all, x.stderr.String())
	}
	const stem = "breach-20260102T030414.000Z-5"
	want := []string{stem + "-healthy.pb.gz", stem + ".json", stem + ".md", stem + ".pb.gz"}
	if got := x.files(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q\n%s", got, want, x.stderr.String())
	}
	if line := all[0].line(); !strings.HasPrefix(line, "2026-01-02T03:04:14Z 5 program5: p99(request)<100ms: 40 of 240 requests in 5s ") {
		t.Error(line)
	}
	x.seconds(60, map[int]time.Duration{3: slow, 5: slow}) // both once: the cool-down of 5 is over then
	if all = x.breached(); len(all) != 3 || all[1].PID+all[2].PID != 3+5 {
		t.Errorf("%+v", all)
	}
	if got := x.files(); slices.Contains(got, stem+".pb.gz") || len(got) < 6 {
		t.Errorf("--disk-limit 2: %q", got)
	}
}

// A breach right behind a healthy time is called by nothing but its own name.
func TestWatchNamesBreach(t *testing.T) {
	for wait := 6; wait < 12; wait++ {
		x := newWatchTest(t, "-p", "3")
		x.heard(event{pid: 3})
		x.seconds(wait, map[int]time.Duration{3: fast})
		x.seconds(4, map[int]time.Duration{3: slow})
		all := x.breached()
		if len(all) != 1 {
			t.Fatalf("%d breaches: %s", len(all), x.stderr.String())
		}
		p, err := readProfile(all[0].Files.Profile)
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(p.Comments, "\n"); strings.Contains(said, "was met") || !strings.Contains(said, ": p99(request)<100ms: ") {
			t.Errorf("after %d seconds: %s", wait, said)
		}
	}
}

// A breach that a process does not live to see the end of is written: it ends, or executes another program.
func TestWatchedProcessEnds(t *testing.T) {
	for what, end := range map[string]func(*watchTest){
		"exit": func(x *watchTest) { x.heard(event{pid: 3, over: true}) },
		"exec": func(x *watchTest) {
			x.clock = x.clock.Add(time.Second / 2)
			x.seconds(1, map[int]time.Duration{3: fast})
		},
	} {
		x := newWatchTest(t, "-p", "3", "--after", "3s")
		x.heard(event{pid: 3})
		x.seconds(7, map[int]time.Duration{3: fast})
		x.seconds(2, map[int]time.Duration{3: slow})
		if all := x.breached(); len(all) != 0 {
			t.Fatalf("%s: told before its window was complete: %+v", what, all)
		}
		end(x)
		all := x.breached()
		if len(all) != 1 {
			t.Fatalf("%s: %+v\n%s", what, all, x.stderr.String())
		}
		if p, err := readProfile(all[0].Files.Profile); err != nil || p.DurationNanos < int64(5*time.Second) || len(p.Sample) < 5*40 {
			t.Errorf("%s: %v, %d samples in %v", what, err, len(p.Sample), time.Duration(p.DurationNanos))
		}
	}
}

// While a breach is written there is no other one of its process, whatever the cool-down, and no recording waits for that.
func TestWatchIsNotHeldUp(t *testing.T) {
	x := newWatchTest(t, "-p", "3", "--cool-down", "1s")
	x.heard(event{pid: 3})
	x.turn <- struct{}{} // somebody makes a report
	x.seconds(7, map[int]time.Duration{3: fast})
	x.seconds(30, map[int]time.Duration{3: slow})
	<-x.turn
	if all := x.breached(); len(all) != 1 {
		t.Errorf("%d breaches", len(all))
	}
	x.seconds(3, map[int]time.Duration{3: slow})
	if all := x.breached(); len(all) != 2 {
		t.Errorf("%d breaches", len(all))
	}
}

// That there is nothing to judge is said, once: a label may be misspelt.
func TestWatchSaysFew(t *testing.T) {
	for slo, want := range map[string]string{
		"p99(request)<100ms": "", "p99(job)<100ms": "3 program3: 0 requests of p99(job)<100ms in 5s: fewer"} {
		x := newWatchTest(t, "-p", "3", "--slo", slo)
		x.heard(event{pid: 3})
		x.seconds(30, map[int]time.Duration{3: fast})
		said := x.stderr.String()
		if (want == "") != (said == "") || !strings.Contains(said, want) || strings.Count(said, "\n") > 1 {
			t.Errorf("%s: %q, want %q", slo, said, want)
		}
	}
}

// Requests that never end are reported on, though the recording has no whole one of them.
func TestWatchRequestsHang(t *testing.T) {
	x := newWatchTest(t, "-p", "3")
	x.heard(event{pid: 3})
	x.n = 40
	x.seconds(7, map[int]time.Duration{3: fast})
	x.seconds(4, map[int]time.Duration{3: hanging})
	all := x.breached()
	if len(all) != 1 || all[0].Verdict != "broken" || all[0].Files.Report == "" {
		t.Fatalf("%+v\n%s", all, x.stderr.String())
	}
	said, err := os.ReadFile(all[0].Files.Report)
	if err != nil || !strings.Contains(string(said), "40 requests began before the recording or had not ended with it") {
		t.Errorf("%v: %s", err, said)
	}
}
