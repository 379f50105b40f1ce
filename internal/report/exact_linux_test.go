package report_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// TestExactRequests holds recorded calls of the service's handler against the service's own clock: each
// order that began and ended in the window is there, as long as the service says, and so is the p99.
func TestExactRequests(t *testing.T) {
	x := target.Start(t, target.Compile(t, "fulfil", target.Build{Module: true}), "-cause", "lock")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rec, err := profiler.Record(ctx, x.PID, profiler.Options{
		MaxOverhead: 0.15, Keep: profiler.Keep{Timeline: true}, Calls: []string{handler},
		Started: func(profiler.Summary) { time.AfterFunc(4*time.Second, cancel) },
	})
	target.Need(t, err)
	if rec.Summary.EngineCPU != "ebpf" {
		t.Skipf("no eBPF here: %q", rec.Summary.Denied)
	}
	var tr truth
	x.Truth(&tr)
	slo, err := report.ParseSLO("p99<" + limit.String())
	check(t, err)
	rs, err := report.New(rec.Profile, report.Options{SLO: slo, Request: timeline.Selector{By: timeline.Func, Name: handler}})
	if err != nil {
		t.Fatalf("%v (denied: %q)", err, rec.Summary.Denied)
	}
	r := rs[0]
	ns := tr.lengths(r.Window)
	if len(ns) < 50 {
		t.Skipf("%d orders in four seconds: this machine has no time for the service", len(ns))
	}
	i, _ := slices.BinarySearch(ns, int64(limit))
	own := ns[int(math.Ceil(0.99*float64(len(ns))))-1]
	t.Logf("%d orders, %d slow, p99 %s; the service says %d, %d, %s", r.Requests, r.Slow, time.Duration(r.P99),
		len(ns), len(ns)-i, time.Duration(own))
	if off := r.Requests - len(ns); off < -2 || off > 2 { // those at the window's edges
		t.Errorf("%d calls, the service says %d", r.Requests, len(ns))
	}
	if off := float64(r.P99)/float64(own) - 1; math.Abs(off) > 0.03 {
		t.Errorf("p99 %s, %+.1f %% of the service's own, %s", time.Duration(r.P99), 100*off, time.Duration(own))
	}
	states(t, r)
}
