//go:build amd64 || arm64

package bpf_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"syscall"
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

// counts are what was counted while a program was at work, and its CPU time by its own clock meanwhile.
type counts struct {
	clock time.Duration
	times []bpf.CPUTime
	stats bpf.ExactStats
}

// countBursts counts from before the first burst of testdata/shares to behind the last.
func countBursts(t *testing.T, x *target.Target, d time.Duration) (c counts) {
	t.Helper()
	e, p := openExact(t, x.PID, math.MaxUint32)
	go e.Run(t.Context())
	_, _, err := e.Take()
	check(t, err)
	before, err := p.CPU()
	check(t, err)
	check(t, syscall.Kill(x.PID, syscall.SIGUSR1))
	time.Sleep(d)
	check(t, syscall.Kill(x.PID, syscall.SIGUSR1))
	for began := time.Now(); !slices.Contains(x.Lines(), "over"); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("the bursts go on")
		}
	}
	c.times, c.stats, err = e.Take()
	check(t, err)
	after, err := p.CPU()
	check(t, err)
	c.clock = after - before
	return c
}

// share is the CPU time that a label's goroutines measured themselves.
type share struct {
	cpu    int64 // ns
	bursts int64
}

func sharesOf(x *target.Target) (shares map[string]share, total int64) {
	var truth struct {
		Labels []struct{ Name string }
		Bursts [][5]int64
	}
	x.Truth(&truth)
	shares = make(map[string]share)
	for _, b := range truth.Bursts {
		name := truth.Labels[b[0]].Name
		s := shares[name]
		s.cpu += b[3] + b[4]
		s.bursts++
		shares[name] = s
		total += b[3] + b[4]
	}
	return shares, total
}

// The CPU time of 50 label sets in goroutines of 50 us to 5 ms is what they measured themselves, within the stated error, of most
// that have more than 1 % of all. Nothing is left over: all of it is the process's CPU time.
func TestExact(t *testing.T) {
	x := target.Start(t, target.Compile(t, "shares", target.Build{}), "-asked")
	c := countBursts(t, x, 4*time.Second)
	got := make(map[string]bpf.CPUTime)
	var sum time.Duration
	for _, k := range c.times {
		sum += k.Time
		if len(k.Labels) == 1 {
			got[k.Labels[0].Value] = k
		}
		if k.Who == bpf.UnknownLabels {
			t.Errorf("labels of %s are not known", k.Time)
		}
	}
	want, total := sharesOf(x)
	t.Logf("%+v; %s counted of %s", c.stats, sum, c.clock)
	if c.stats.Checks < 100 || c.stats.Unplaced > 0 || c.stats.Partial > 0 {
		t.Errorf("%+v", c.stats)
	}
	for name := range want {
		if got[name].Time <= 0 {
			t.Errorf("%s: %s", name, got[name].Time)
		}
	}
	target.NeedCPU(t)
	if off := (sum - c.clock).Abs(); off > c.clock/200+20*time.Millisecond {
		t.Errorf("%s counted of %s", sum, c.clock)
	}
	holdShares(t, got, want, total)
}

func holdShares(t *testing.T, got map[string]bpf.CPUTime, want map[string]share, total int64) {
	t.Helper()
	worst, held, outside := 0.0, 0, 0
	for name, w := range want {
		if w.cpu < total/100 {
			continue
		}
		off, cpu := got[name].Time-time.Duration(w.cpu), float64(w.cpu)
		held++
		if off.Abs() > got[name].Error {
			outside++
		}
		worst = max(worst, math.Abs(float64(off))/cpu)
		t.Logf("%s: %.1f ms, %+.2f %%, stated %.2f, %+d ns a burst of %d us", name, cpu/1e6, 100*float64(off)/cpu,
			100*float64(got[name].Error)/cpu, int64(off)/w.bursts, w.cpu/w.bursts/1000)
	}
	t.Logf("at worst %.2f %% off, %d of %d beyond the stated error", 100*worst, outside, held)
	if held < 5 || outside > held/4 { // 19 in 20 by what was measured; a busy host is not to fail this
		t.Errorf("%d of %d labels are beyond the stated error", outside, held)
	}
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

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
