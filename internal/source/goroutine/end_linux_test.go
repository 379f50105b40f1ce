package goroutine_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A target that dies ends the recording without an error, and what was seen is delivered.
func TestTargetDies(t *testing.T) {
	x := open(t, target.Start(t, target.Compile(t, "capture", target.Build{})), goroutine.Options{})
	time.AfterFunc(300*time.Millisecond, func() { x.Kill() })
	var sum int64
	parked := map[uint64]bool{}
	x.record(t, time.Minute, func(s *sample.Sample) {
		if s.State == "select (no cases)" {
			parked[s.Goid] = true
			sum += s.Weight
		}
	})
	if len(parked) != 50 || sum < 50*int64(100*time.Millisecond) {
		t.Errorf("%d parked goroutines seen for %v in all", len(parked), time.Duration(sum))
	}
	if err := x.Snapshot(func(*goroutine.Goroutine) { t.Error("a goroutine of a dead process") }); err != nil {
		t.Errorf("snapshot of a dead process: %v", err)
	}
}

// A target that becomes another program ends the recording with source.ErrExec.
func TestTargetExecs(t *testing.T) {
	for _, b := range []target.Build{{}, {PIE: true}} {
		t.Run(b.String(), func(t *testing.T) {
			next := target.Compile(t, "labels", b)
			x := open(t, target.Start(t, target.Compile(t, "execs", b), "-after", "1s", "--", next, "-d", "20s"), goroutine.Options{})
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			n := 0
			if err := x.Run(ctx, func(*sample.Sample) { n++ }); !errors.Is(err, source.ErrExec) || n == 0 {
				t.Errorf("%d samples, error %v", n, err)
			}
		})
	}
}

// Addresses that are wrong by a little, and a layout that is, are refused.
func TestOpenRefuses(t *testing.T) {
	x := target.Start(t, target.Compile(t, "capture", target.Build{}))
	good := open(t, x, goroutine.Options{})
	p, err := proc.Open(x.PID)
	target.Need(t, err)
	defer p.Close()
	f, err := os.Open(x.Exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read := func() *goruntime.Layout {
		l, err := goruntime.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	try := func(name string, l *goruntime.Layout, v *goruntime.Vars) {
		if _, err := goroutine.Open(p, l, v, goroutine.Options{}); !errors.Is(err, goroutine.ErrTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	v := *good.vars
	v.Allglen, v.Allgptr = v.Allgptr, v.Allglen
	try("length and array exchanged", read(), &v)
	v = *good.vars
	v.Allgptr = v.Sched
	try("another variable", read(), &v)
	for _, wrong := range []func(*goruntime.GFields){
		func(g *goruntime.GFields) { g.Goid += 8 },
		func(g *goruntime.GFields) { g.Status += 8 },
		func(g *goruntime.GFields) { g.StackLo, g.StackHi = g.StackHi, g.StackLo },
		func(g *goruntime.GFields) { g.StartPC += 8 },
		func(g *goruntime.GFields) { g.SchedSP += 8 },
	} {
		l := read()
		wrong(&l.G)
		try("a field elsewhere", l, good.vars)
	}
	for _, o := range []goroutine.Options{{Rate: -1}, {Rate: 1e6}, {MaxOverhead: 2}, {MaxOverhead: -1}} {
		if _, err := goroutine.Open(p, read(), good.vars, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// threads says that every thread is in one state.
type threads sample.State

func (s threads) State(uint32) (sample.State, string, bool)              { return sample.State(s), "", s != "" }
func (s threads) At(uint32, goroutine.Scan) (sample.State, string, bool) { return s.State(0) }

// What is known of the threads decides what goroutines that have one are doing.
func TestThreads(t *testing.T) {
	for _, s := range []threads{"", threads(sample.Running), threads(sample.Preempted), threads(sample.Throttled), threads(sample.Syscall)} {
		x := open(t, target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", "2"), goroutine.Options{Threads: s})
		states := map[sample.State]int64{}
		tids := map[uint32]bool{}
		x.record(t, 300*time.Millisecond, func(sm *sample.Sample) {
			if len(sm.Labels) == 0 {
				return
			}
			states[sm.State] += sm.Weight
			if tids[sm.TID] = true; sm.State == sample.Runnable && sm.TID != 0 {
				t.Errorf("a runnable goroutine has thread %d", sm.TID)
			}
		})
		delete(states, sample.Runnable)
		want := sample.State(s)
		if s == "" {
			want = sample.Running
		}
		if len(states) != 1 || states[want] == 0 {
			t.Errorf("threads %q: states %v", s, states)
		}
		p, err := proc.Open(x.PID)
		target.Need(t, err)
		all, err := p.Threads(nil)
		target.Need(t, err)
		p.Close()
		for tid := range tids {
			if tid != 0 && !slices.Contains(all, int(tid)) {
				t.Errorf("thread %d is none of %v", tid, all)
			}
		}
	}
}
