package shapes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/exectrace"
	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler"
)

var (
	runs    = flag.Int("shapes.runs", 0, "record all shapes of testdata/shapes this many times, and count")
	only    = flag.String("shapes.only", "", "only these shapes, separated by commas")
	seconds = flag.Duration("shapes.time", 11*time.Second, "how long to record")
	keep    = flag.String("shapes.keep", "", "folder to keep the recordings in, with their traces and what the clients saw")
	kept    = flag.String("shapes.kept", "", "folder with such recordings to report on instead of new ones")
)

// recording is what is known of one run of a shape.
type recording struct {
	profile *profile.Profile
	trace   []byte // nil: none
	world   world
}

// world is what the service says at its end.
type world struct {
	Peers   map[string]string `json:"peers"`
	Answers []seen            `json:"answers"`
}

// seen is an answer as its client saw it.
type seen struct {
	Path   string `json:"path"`
	Begin  int64  `json:"begin_ns"`
	Length int64  `json:"length_ns"`
	Status int    `json:"status"`
}

// TestShapes reports on a few shapes that no machine is too busy for.
func TestShapes(t *testing.T) {
	for _, x := range truths(t) {
		if !x.Daily {
			continue
		}
		t.Run(x.Shape, func(t *testing.T) {
			for _, a := range x.answers(t, x.record(t, daily)) {
				if a.outcome == wrong || a.outcome == worst || a.how == "trace" && a.outcome != right {
					t.Errorf("%s, %s: %s", a.how, a.outcome, a.off)
				}
			}
		})
	}
}

const daily = 8 * time.Second

// TestShapesRuns reports on every shape, and says how often the truth came out.
func TestShapesRuns(t *testing.T) {
	if *runs == 0 && *kept == "" {
		t.Skip("-shapes.runs N records each shape N times")
	}
	var all []answer
	for _, x := range truths(t) {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), x.Shape) {
			continue
		}
		t.Run(x.Shape, func(t *testing.T) {
			for i := 0; i < max(1, *runs); i++ {
				all = append(all, x.answers(t, x.run(t, i))...)
			}
		})
	}
	t.Log(tables(all))
}

// answers is what the reports on a recording are worth.
func (x truth) answers(t *testing.T, r recording) []answer {
	t.Helper()
	var all []answer
	for _, way := range ways {
		if x.By != "" && way.name == "alone" {
			continue // a trace has no labels
		}
		tl, err := way.read(r)
		check(t, err)
		s, err := x.report(tl)
		if err != nil {
			s.Why = err.Error()
		}
		s.asked = r.world.lengths(s.Window, x.Path)
		a := answer{shape: x.Shape, how: way.name}
		a.outcome, a.off = x.judge(s, r.world.Peers)
		p99 := r.world.p99(s.Window, x.Path)
		line := fmt.Sprintf("%-8s %-8s %s (%d of %d, p99 %s, clients' %s) %s", a.outcome, way.name, s.Verdict, s.Slow, s.Requests,
			round(s.P99), round(p99), a.off)
		if why := x.unfit(r, s); why != "" {
			t.Logf("not counted, %s: %s", why, line)
			continue
		}
		if c := s.Cause; c != nil {
			a.confidence = c.Confidence
			line += fmt.Sprintf(": %s in %s, peer %q, limit %d, evidence %s, share %.2f, confidence %.2f: %s",
				c.Kind, c.Function, c.Peer, c.Limit, c.Evidence, c.Share, c.Confidence, c.Sentence)
		}
		t.Log(line)
		all = append(all, a)
	}
	return all
}

func round(ns int64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }

// ways are what a report can be made from.
var ways = []struct {
	name string
	read func(recording) (*timeline.Timeline, error)
}{
	{"no trace", recording.untraced},
	{"trace", recording.traced},
	{"alone", recording.traceAlone},
}

func (r recording) untraced() (*timeline.Timeline, error) {
	return timeline.Read(r.profile, slices.Values(r.profile.Sample))
}

func (r recording) traceAlone() (*timeline.Timeline, error) { return r.readTrace(nil) }

func (r recording) traced() (*timeline.Timeline, error) {
	rec, err := r.untraced()
	if err != nil {
		return nil, err
	}
	return r.readTrace(rec)
}

// readTrace reads the trace, and joins it with the recording if that is given.
func (r recording) readTrace(rec *timeline.Timeline) (*timeline.Timeline, error) {
	if len(r.trace) == 0 {
		return nil, errors.New("no trace")
	}
	var o exectrace.Options
	if rec != nil {
		o.Epoch = rec.Epoch
	}
	x, err := exectrace.Read(bytes.NewReader(r.trace), o)
	if err == nil && rec != nil {
		err = x.Join(rec)
	}
	if err != nil {
		return nil, err
	}
	return x.Timeline, nil
}

// report is what a report on a timeline says.
func (x truth) report(tl *timeline.Timeline) (s said, err error) {
	slo, err := report.ParseSLO(x.SLO)
	if err != nil {
		return s, err
	}
	request, err := timeline.ParseSelector(x.Request)
	if err != nil {
		return s, err
	}
	all, err := report.Of(tl, report.Options{SLO: slo, Request: request, By: x.By})
	if err != nil {
		return s, err
	}
	i := max(0, slices.IndexFunc(all, func(r *report.Report) bool { return r.Group[x.By] == x.Group }))
	b, err := json.Marshal(all[i])
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

// run is a recording, a new one or one that was kept.
func (x truth) run(t *testing.T, i int) recording {
	t.Helper()
	name := x.Shape
	if i > 0 {
		name = fmt.Sprintf("%s.%d", name, i+1)
	}
	if *kept != "" {
		return load(t, filepath.Join(*kept, name))
	}
	r := x.record(t, *seconds)
	if *keep != "" {
		save(t, r, filepath.Join(*keep, name))
	}
	return r
}

// record starts the service and records it for as long as d, and traces it in the midst of that.
func (x truth) record(t *testing.T, d time.Duration) (r recording) {
	t.Helper()
	var args []string
	if x.Postgres {
		dsn, err := target.Postgres(t)
		check(t, err)
		args = []string{"-dsn", dsn}
	}
	s := target.Start(t, target.Shapes(t), append(args, "-shape", x.Shape)...)
	if x.Quota > 0 {
		target.Quota(t, s.PID, x.Quota)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	traced := make(chan []byte, 1)
	go func() {
		time.Sleep(500 * time.Millisecond)
		traced <- fetch(s.Field("pprof"), d-2*time.Second)
	}()
	rec, err := profiler.Record(ctx, s.PID, profiler.Options{MaxOverhead: 0.15, Keep: profiler.Keep{Timeline: true}})
	target.Need(t, err)
	r.profile, r.trace = rec.Profile, <-traced
	s.Truth(&r.world)
	return r
}

// fetch is the execution trace of a service, nil if it gives none.
func fetch(addr string, d time.Duration) []byte {
	answer, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/trace?seconds=%.1f", addr, d.Seconds()))
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil
	}
	return b
}

func save(t *testing.T, r recording, dir string) {
	t.Helper()
	var p bytes.Buffer
	w, err := json.Marshal(r.world)
	check(t, errors.Join(err, r.profile.Write(&p), os.MkdirAll(dir, 0o777)))
	for name, b := range map[string][]byte{"mayfly.pb.gz": p.Bytes(), "trace.out": r.trace, "client.json": w} {
		check(t, os.WriteFile(filepath.Join(dir, name), b, 0o666))
	}
}

func load(t *testing.T, dir string) (r recording) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "mayfly.pb.gz"))
	check(t, err)
	defer f.Close()
	r.profile, err = profile.Parse(f)
	check(t, err)
	r.trace, err = os.ReadFile(filepath.Join(dir, "trace.out"))
	check(t, err)
	b, err := os.ReadFile(filepath.Join(dir, "client.json"))
	check(t, err)
	check(t, json.Unmarshal(b, &r.world))
	return r
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
