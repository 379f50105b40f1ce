package report_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler"
)

var (
	runs    = flag.Int("fulfil.runs", 0, "record every cause of testdata/fulfil this many times, and count")
	seconds = flag.Duration("fulfil.time", 7*time.Second, "how long to record")
	keep    = flag.String("fulfil.keep", "", "folder to keep the recordings in, with what the service says of itself")
	kept    = flag.String("fulfil.kept", "", "folder with such recordings to report on instead of new ones")
	exact   = flag.Bool("fulfil.exact", false, "record the calls of the orders' handler, too")
)

// expected is what a report has to say of testdata/fulfil with one of its causes.
type expected struct {
	kind     timeline.Kind
	function string
}

var want = map[string]expected{
	"none": {kind: timeline.Unknown}, "twice": {kind: timeline.Unknown},
	"lock":      {timeline.Lock, "main.(*service).bookAtCarrier"},
	"pool":      {timeline.Pool, "main.(*store).reserve"},
	"statement": {timeline.Network, "main.(*service).auditTrail"},
	"channel":   {timeline.Channel, "main.(*service).packOrders"},
	"cpu":       {timeline.CPU, "main.planRoute"},
	"gc":        {timeline.GC, "main.makeEntries"},
	"procs":     {timeline.GoScheduler, "main.reindex"},
	"neighbour": {timeline.OSScheduler, ""},
	"fsync":     {timeline.Syscall, "main.(*ledger).write"},
}

// expect is what a report has to say with a store: the embedded one computes where PostgreSQL waits.
func expect(cause, store string) expected {
	if cause == "statement" && store == "embedded" {
		return expected{timeline.CPU, "main.burn"}
	}
	return want[cause]
}

// handler is the function that orders are calls of.
const handler = "main.(*service).fulfil"

const limit = 300 * time.Millisecond

// truth is what the service says of itself.
type truth struct {
	Store    string
	Requests []struct {
		Endpoint string
		Begin    int64 `json:"begin_ns"`
		Length   int64 `json:"length_ns"`
		Step     int64 `json:"step_ns"`
	}
}

// guilty says whether the cause is one: at least two thirds of the slow orders' time was in it. On a machine
// that is short of CPU, what the cause does not touch can be slower still.
func (x *truth) guilty(w report.Window) bool {
	var step, all int64
	for _, r := range x.Requests {
		if r.Length >= int64(limit) && r.Begin > w.From && r.Begin+r.Length < w.To {
			step, all = step+r.Step, all+r.Length
		}
	}
	return 3*step >= 2*all
}

// lengths is how long the orders took that began and ended while r was recorded, ascending.
func (x *truth) lengths(w report.Window) []int64 {
	var ns []int64
	for _, r := range x.Requests {
		if r.Endpoint == "/fulfil" && r.Begin > w.From && r.Begin+r.Length < w.To {
			ns = append(ns, r.Length)
		}
	}
	slices.Sort(ns)
	return ns
}

// fulfil records the service with a cause, and reports on its orders.
func fulfil(t *testing.T, cause, dsn string) (*report.Report, *truth) {
	t.Helper()
	p, tr := record(t, cause, dsn)
	return orders(t, p), tr
}

func record(t *testing.T, cause, dsn string) (*profile.Profile, *truth) {
	t.Helper()
	args := []string{"-cause", cause, "-dsn", dsn}
	x := target.Start(t, target.Compile(t, "fulfil", target.Build{Module: true}), args...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := profiler.Options{
		MaxOverhead: 0.15, Keep: profiler.Keep{Timeline: true},
		Started: func(profiler.Summary) { time.AfterFunc(*seconds, cancel) },
	}
	if *exact {
		o.Calls = []string{handler}
	}
	rec, err := profiler.Record(ctx, x.PID, o)
	target.Need(t, err)
	var tr truth
	x.Truth(&tr)
	return rec.Profile, &tr
}

// orders is the report on the service's orders, by their labels.
func orders(t *testing.T, p *profile.Profile) *report.Report {
	t.Helper()
	rs := judged(t, p, report.Options{Request: timeline.Selector{By: timeline.Label, Name: "request"}, By: "endpoint"})
	i := slices.IndexFunc(rs, func(r *report.Report) bool { return r.Group["endpoint"] == "/fulfil" })
	if i < 0 {
		t.Fatalf("no orders in %d groups", len(rs))
	}
	return rs[i]
}

// calls is the report on the recorded calls of the orders' handler, nil if there are none.
func calls(t *testing.T, p *profile.Profile) *report.Report {
	t.Helper()
	if !slices.ContainsFunc(p.Sample, func(s *profile.Sample) bool { return len(s.NumLabel["go.call_ns"]) > 0 }) {
		return nil
	}
	return judged(t, p, report.Options{Request: timeline.Selector{By: timeline.Func, Name: handler}})[0]
}

// judged is the reports on p, whose samples are needed again.
func judged(t *testing.T, p *profile.Profile, o report.Options) []*report.Report {
	t.Helper()
	samples := p.Sample
	p.Sample = slices.Clone(samples)
	defer func() { p.Sample = samples }()
	o.SLO = objective(t)
	rs, err := report.New(p, o)
	check(t, err)
	return rs
}

func objective(t *testing.T) report.SLO {
	t.Helper()
	slo, err := report.ParseSLO("p99<" + limit.String())
	check(t, err)
	return slo
}

// TestFulfil holds reports on real recordings against what the service knows. Four causes and none are
// enough for every day: the others need a machine that nobody else uses (-fulfil.runs). The pool is that
// of the embedded store, because a database that gets no CPU slows it as much as a pool that is too small.
func TestFulfil(t *testing.T) {
	for _, cause := range []string{"none", "lock", "pool", "statement", "channel"} {
		t.Run(cause, func(t *testing.T) {
			dsn := ""
			if cause != "pool" {
				dsn, _ = target.Postgres(t) // none: the embedded store
			}
			r, tr := fulfil(t, cause, dsn)
			ns := tr.lengths(r.Window)
			t.Logf("%s store, %s, p99 %s, %d of %d slow: %+v", tr.Store, r.Verdict, time.Duration(r.P99), r.Slow, r.Requests, r.Cause)
			if len(ns) < 100 {
				t.Skipf("%d orders were answered: this machine has no time for the service", len(ns))
			}
			quantiles(t, r, ns)
			states(t, r)
			agrees(t, r, ns)
			w := expect(cause, tr.Store)
			if c := r.Cause; c != nil && c.Kind == timeline.Network && cause == "statement" && !strings.Contains(dsn, c.Peer) {
				t.Errorf("the peer is %q, want the database at %s", c.Peer, dsn)
			}
			if c := r.Cause; c != nil && (cause == "pool" || tr.guilty(r.Window)) && (c.Kind != w.kind || c.Function != w.function) {
				t.Errorf("%s in %q, want %s in %q\n%s", c.Kind, c.Function, w.kind, w.function, strings.Join(c.Chain, "\n"))
			}
		})
	}
}

// agrees holds the verdict against how many orders took too long by the service's own count.
func agrees(t *testing.T, r *report.Report, ns []int64) {
	t.Helper()
	i, _ := slices.BinarySearch(ns, int64(limit))
	over := len(ns) - i
	switch {
	case r.Verdict != report.Broken && r.Cause != nil:
		t.Errorf("%s, and a cause: %s", r.Verdict, r.Cause.Sentence)
	case r.Verdict == report.Broken && r.Cause == nil:
		t.Error("broken, and no cause")
	case float64(over) > 0.05*float64(len(ns)) && r.Verdict != report.Broken, over == 0 && r.Verdict == report.Broken:
		t.Errorf("%s, and %d of %d orders took longer than %s", r.Verdict, over, len(ns), limit)
	}
}

// border is how far the begin of a request may be off: where a goroutine was on a CPU between two
// scans and took its label on meanwhile, the border is drawn in the middle.
const border = float64(10 * time.Millisecond)

// quantiles holds the p99 against the service's own, within 5 % and two requests: on a machine that
// is short of CPU a request at the edge of the recording is counted by one side only.
func quantiles(t *testing.T, r *report.Report, ns []int64) {
	t.Helper()
	if n := len(ns); math.Abs(float64(r.Requests-n)) > 0.05*float64(n)+3 {
		t.Errorf("%d orders, the service says %d", r.Requests, n)
	}
	at := int(math.Ceil(0.99*float64(len(ns)))) - 1
	low, high := float64(ns[max(at-2, 0)])*0.95-border, float64(ns[min(at+2, len(ns)-1)])*1.05+border
	if p := float64(r.P99); p < low || p > high {
		t.Errorf("p99 %s, the service's own is %s", time.Duration(r.P99), time.Duration(ns[at]))
	}
}

// states holds the sum of the states against the slow requests' length.
func states(t *testing.T, r *report.Report) {
	t.Helper()
	if off := sum(r); math.Abs(off) > 0.02 {
		t.Errorf("states of slow requests add up to %+.1f %%", 100*off)
	}
	if u := unknown(r); u > 0.03 {
		t.Errorf("%.1f %% of the slow requests' time is unknown", 100*u)
	}
}

// sum is how much the states of slow requests are more than these took, 0.01 for a hundredth.
func sum(r *report.Report) float64 {
	var all int64
	for _, v := range r.States.Slow {
		all += v
	}
	return float64(all-r.SlowMean) / float64(max(r.SlowMean, 1))
}

// unknown is the share of the slow requests' time in no known state.
func unknown(r *report.Report) float64 {
	return float64(r.States.Slow[timeline.Unknown]) / float64(max(r.SlowMean, 1))
}

// TestFulfilRuns counts how often the right kind and function come out, and holds each recording's
// numbers against the service's.
func TestFulfilRuns(t *testing.T) {
	if *runs == 0 {
		t.Skip("-fulfil.runs N records each cause N times")
	}
	for cause := range want {
		t.Run(cause, func(t *testing.T) {
			dsn, right := "", 0
			if *kept == "" {
				dsn, _ = target.Postgres(t) // none: the embedded store
			}
			for i := range *runs {
				p, tr := again(t, cause, dsn, i)
				r, called := orders(t, p), calls(t, p)
				w := expect(cause, tr.Store)
				ok := w.kind == timeline.Unknown && r.Verdict == report.Met ||
					r.Cause != nil && w.kind == r.Cause.Kind && r.Cause.Function == w.function
				if ok {
					right++
				}
				t.Logf("%s %d: right %t, %s, %d of %d slow, guilty %t, %s", cause, i, ok, r.Verdict, r.Slow, r.Requests,
					tr.guilty(r.Window), said(r.Cause))
				numbers(t, "by labels", r, tr, 0.05)
				if called != nil {
					numbers(t, "by calls", called, tr, 0.03)
				}
				if r.Verdict != report.Broken && r.Cause != nil {
					t.Errorf("%s, and a cause", r.Verdict)
				}
			}
			t.Logf("%s: right in %d of %d runs", cause, right, *runs)
			if 10*right < 9**runs || want[cause].kind == timeline.Unknown && right < *runs {
				t.Fail()
			}
		})
	}
}

// numbers holds a report's p99 and the sum of its states against the service's own.
func numbers(t *testing.T, how string, r *report.Report, tr *truth, most float64) {
	t.Helper()
	ns := tr.lengths(r.Window)
	if len(ns) == 0 {
		t.Error("no orders by the service's own count")
		return
	}
	i, _ := slices.BinarySearch(ns, int64(limit))
	own := ns[int(math.Ceil(0.99*float64(len(ns))))-1]
	off := float64(r.P99)/float64(own) - 1
	t.Logf("   %s: p99 %s, the service's %s: %+.1f %%; %d orders, %d slow, the service's %d, %d; states of the slow %+.2f %%, unknown %.2f %%",
		how, time.Duration(r.P99), time.Duration(own), 100*off, r.Requests, r.Slow, len(ns), len(ns)-i, 100*sum(r), 100*unknown(r))
	if math.Abs(off) > most {
		t.Errorf("p99 %s is %+.1f %% off", how, 100*off)
	}
	states(t, r)
}

func said(c *report.Cause) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s in %s, share %.2f, confidence %.2f", c.Kind, c.Function, c.Share, c.Confidence)
}

// again is a recording of the service, a new one or one that was kept.
func again(t *testing.T, cause, dsn string, i int) (*profile.Profile, *truth) {
	t.Helper()
	name := fmt.Sprintf("%s-%d", cause, i)
	if *kept != "" {
		f, err := os.Open(filepath.Join(*kept, name+".pb.gz"))
		check(t, err)
		defer f.Close()
		p, err := profile.Parse(f)
		check(t, err)
		b, err := os.ReadFile(filepath.Join(*kept, name+".json"))
		check(t, err)
		var tr truth
		check(t, json.Unmarshal(b, &tr))
		return p, &tr
	}
	p, tr := record(t, cause, dsn)
	if *keep != "" {
		f, err := os.Create(filepath.Join(*keep, name+".pb.gz"))
		check(t, err)
		check(t, errors.Join(p.Write(f), f.Close()))
		b, err := json.Marshal(tr)
		check(t, err)
		check(t, os.WriteFile(filepath.Join(*keep, name+".json"), b, 0o666))
	}
	return p, tr
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
