//go:build amd64 || arm64

package bpf_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// openExact opens everything that counting needs of a target, which may switch goroutines so often a second.
func openExact(t *testing.T, pid int, most uint32) (*bpf.Exact, *proc.Process) {
	t.Helper()
	p, err := proc.Open(pid)
	check(t, err)
	t.Cleanup(func() { p.Close() })
	f, err := os.Open(fmt.Sprintf("/proc/%d/exe", pid))
	check(t, err)
	defer f.Close()
	bin, err := symbolize.OpenGo(f)
	check(t, err)
	l, err := goruntime.Read(f)
	check(t, err)
	v, err := goruntime.FindVars(f, l, bin.Func)
	check(t, err)
	s, err := goruntime.FindSwitches(f, bin.Func)
	check(t, err)
	e, err := bpf.OpenExactWithin(p, bpf.ExactOptions{Layout: l, SweepGen: v.SweepGen, File: f, Switches: s}, most)
	target.Need(t, err)
	t.Cleanup(func() { e.Close() })
	return e, p
}

// counts are what was counted between two moments, CLOCK_MONOTONIC, and the process's CPU time meanwhile.
type counts struct {
	from, to int64
	doubt    int64 // ns by which the moments may be others: this process gets a CPU late on a busy machine
	clock    time.Duration
	times    []bpf.CPUTime
	stats    bpf.ExactStats
}

func countFor(t *testing.T, pid int, d time.Duration) (c counts) {
	t.Helper()
	e, p := openExact(t, pid, math.MaxUint32)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go e.Run(ctx)
	time.Sleep(d / 4) // until all threads are known, and what a trap takes
	from, began := c.take(t, e, p)
	c.times = nil
	time.Sleep(d)
	to, ended := c.take(t, e, p)
	c.from, c.to, c.clock = from, to, ended-began
	return c
}

// take adds what is counted until a moment that is known well.
func (c *counts) take(t *testing.T, e *bpf.Exact, p *proc.Process) (at int64, clock time.Duration) {
	t.Helper()
	const well = int64(2 * time.Millisecond)
	for range 200 {
		before := target.Monotonic()
		clock, err := p.CPU()
		check(t, err)
		times, stats, err := e.Take()
		check(t, err)
		after := target.Monotonic()
		c.times, c.stats = append(c.times, times...), stats
		if after-before < well {
			c.doubt += after - before
			return (before + after) / 2, clock
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("this process does not get a CPU for 2 ms")
	return 0, 0
}

// share is the CPU time that a label's goroutines measured themselves between two moments.
type share struct {
	cpu    float64 // ns
	bursts float64
	cut    float64 // ns of cpu in bursts of which a part lies outside
}

func sharesOf(x *target.Target, from, to int64) (shares map[string]share, total float64) {
	var truth struct {
		Labels []struct{ Name string }
		Bursts [][4]int64
	}
	x.Truth(&truth)
	shares = make(map[string]share)
	for _, b := range truth.Bursts {
		inside := min(b[2], to) - max(b[1], from)
		if inside <= 0 {
			continue
		}
		s, part := shares[truth.Labels[b[0]].Name], float64(inside)/float64(b[2]-b[1])
		s.cpu += part * float64(b[3])
		s.bursts += part
		if part < 1 {
			s.cut += float64(b[3])
		}
		shares[truth.Labels[b[0]].Name] = s
		total += part * float64(b[3])
	}
	return shares, total
}

// unseen is what a goroutine does before it can read the clock and after it has, ns at most: its first and last steps in the
// runtime, which count for its labels if it began with them.
const unseen = 1000

// stolen is how much time that another system took of a CPU may go off the wrong one of the stints between two ticks, ns.
const stolen = 1e6

// The CPU time of 50 label sets in goroutines of 50 us to 5 ms is what they measured themselves, within 1 % for those that have
// more than 1 % of all. Nothing is left over: all of it is the process's CPU time.
func TestExact(t *testing.T) {
	x := target.Start(t, target.Compile(t, "shares", target.Build{}))
	c := countFor(t, x.PID, 4*time.Second)
	got := make(map[string]time.Duration)
	var sum time.Duration
	for _, k := range c.times {
		sum += k.Time
		if len(k.Labels) == 1 {
			got[k.Labels[0].Value] += k.Time
		}
		if k.Who == bpf.UnknownLabels {
			t.Errorf("labels of %s are not known", k.Time)
		}
	}
	want, total := sharesOf(x, c.from, c.to)
	t.Logf("%+v; %s counted of %s", c.stats, sum, c.clock)
	if c.stats.Checks < 100 || c.stats.Unplaced > 0 || c.stats.Partial > 0 {
		t.Errorf("%+v", c.stats)
	}
	for name := range want {
		if want[name].cpu > 0.01*total && got[name] == 0 {
			t.Errorf("%s: nothing", name)
		}
	}
	target.NeedCPU(t)
	if 100*c.stats.Wrong > 3*c.stats.Checks {
		t.Errorf("wrong at %d of %d ticks", c.stats.Wrong, c.stats.Checks)
	}
	if off := (sum - c.clock).Abs(); off > c.clock/200+4*time.Duration(c.doubt)+20*time.Millisecond {
		t.Errorf("%s counted of %s", sum, c.clock)
	}
	worst := 0.0
	for name, w := range want {
		if w.cpu < 0.01*total {
			continue
		}
		off := float64(got[name]) - w.cpu
		worst = max(worst, math.Abs(off)/w.cpu)
		t.Logf("%s: %.1f ms, %+.2f %%, %+.0f ns a burst of %.0f us", name, w.cpu/1e6, 100*off/w.cpu, off/w.bursts, w.cpu/w.bursts/1e3)
		late := w.cpu * float64(c.doubt) / float64(c.to-c.from)
		if limit := 0.01*w.cpu + w.bursts*unseen + w.cut + late + stolen; math.Abs(off) > limit {
			t.Errorf("%s: %s of %s, %+.2f %%, limit %.2f", name, got[name], time.Duration(w.cpu), 100*off/w.cpu, 100*limit/w.cpu)
		}
	}
	t.Logf("at worst %.2f %% off", 100*worst)
}

// Too many switches take the probes away, and no part of a count is left.
func TestExactGuard(t *testing.T) {
	x := target.Start(t, target.Compile(t, "shares", target.Build{}))
	e, _ := openExact(t, x.PID, 100)
	ended := make(chan struct{})
	go func() { e.Run(t.Context()); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the probes stay")
	}
	for range 2 {
		if times, _, err := e.Take(); !errors.Is(err, bpf.ErrSwitches) || times != nil {
			t.Errorf("%d times, %v", len(times), err)
		}
	}
}
