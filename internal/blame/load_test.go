package blame

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Of any stretch of time it is known for how much of it all Ps were busy, as cell by cell, and many long ones take no longer.
func TestSaturatedIsKnown(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := newWorld()
	w.From, w.To = 3, 200_000e6+7
	for id := range int64(3) {
		l := w.goroutine(id+1, 0)
		for at := 0.0; at < 200_000; {
			at += 40 * rng.Float64()
			l.in("sleep", at, "time.Sleep main.pause")
			at += 40 * rng.Float64()
			l.in("running", at, "main.work")
		}
	}
	w.Settle()
	b := New(w.Timeline)
	some := func() timeline.Span {
		return timeline.Span{From: rng.Int64N(int64(201_000e6)), To: rng.Int64N(int64(202_000e6))}
	}
	for range 100 {
		s := some()
		s.From, s.To = min(s.From, s.To), max(s.From, s.To)
		want := int64(0)
		b.eachCell(s.From, s.To, func(l *load, ns int64) {
			if b.isFull(l) {
				want += ns
			}
		})
		if got := b.saturated(s); got != want || 50*want < min(s.To, w.To)-s.From {
			t.Fatalf("of %d to %d: %d, want %d", s.From, s.To, got, want)
		}
	}
	cost.Limit{Bytes: 1 << 20, Time: 5 * time.Second}.Hold(t, func() {
		for range 1_000_000 {
			b.saturated(some())
		}
	})
}

// TestDeniedWithNobody has a goroutine that is runnable while nobody runs, and threads want a CPU for most of the time: that is other
// processes' doing, and no reason to say that Go's scheduler is slow.
func TestDeniedWithNobody(t *testing.T) {
	w := newWorld()
	w.Evidence, w.Scans = timeline.ByMemory, 1000
	w.goroutine(1, 1100).in("runnable", 1200, "main.handle"+handler).in("running", 1201, "main.handle"+handler)
	other := w.goroutine(3, 1000)
	for other.at < 1300 {
		other.in("sleep", other.at+2, "time.Sleep main.tick").in("preempted", other.at+5, "main.tick")
	}
	sum, _ := w.blamed(1, 1100, 1200)
	if sum["os-scheduler"] < 70 || sum["go-scheduler"] > 30 {
		t.Errorf("%v", sum)
	}
}

// TestWorldStandsStill has a request that waits for an answer while another goroutine writes all stacks down, with two Ps: nobody looks
// for answers meanwhile. What it waited for before is the peer's, and so is all of a wait that goes on afterwards.
func TestWorldStandsStill(t *testing.T) {
	for name, tt := range map[string]struct {
		stack    string
		end      float64 // of the wait, ms after the stop's end
		cpu, net float64 // of 150 ms before the stop's end
	}{
		"all stacks":          {"runtime.tracebackothers runtime.Stack.func1 runtime.systemstack runtime.Stack main.dump", 0, 100, 50},
		"seen a little later": {"runtime.tracebackothers runtime.Stack.func1 runtime.systemstack runtime.Stack main.dump", 8, 100, 58},
		"the wait goes on":    {"runtime.tracebackothers runtime.Stack.func1 runtime.systemstack runtime.Stack main.dump", 60, 0, 210},
		"its own stack only":  {"runtime.Stack.func1 runtime.systemstack runtime.Stack main.dump", 0, 0, 150},
	} {
		w := newWorld()
		w.Evidence, w.Scans, w.Procs = timeline.ByMemory, 1000, 2
		end := 1150 + tt.end
		w.goroutine(1, 1000).in("IO wait", end, "internal/poll.(*FD).Read main.ask main.handle"+handler).
			in("running", end+1, "main.handle"+handler)
		w.goroutine(2, 900).in("sleep", 1050, "time.Sleep main.watch").in("running", 1150, tt.stack+" main.watch").
			in("sleep", 1900, "time.Sleep main.watch")
		sum, _ := w.blamed(1, 1000, end)
		if math.Abs(sum["cpu main.dump"]-tt.cpu) > 6 || math.Abs(sum["network main.ask"]-tt.net) > 6 {
			t.Errorf("%s: %v, want %v of the stop's and %v of the peer's", name, sum, tt.cpu, tt.net)
		}
	}
}

// TestDenialIsSeen has a goroutine that is runnable while one of two Ps is busy. Other processes have the CPU of the other one only as far
// as threads of this process were seen to want one at about that time.
func TestDenialIsSeen(t *testing.T) {
	for seen, want := range map[string][3]float64{"waits": {50, 48, 2}, "waited at times": {50, 13, 37}, "ran": {50, 0, 50},
		"waited long ago": {50, 0, 50}} {
		w := newWorld()
		w.Evidence, w.Scans = timeline.ByMemory, 1000
		w.goroutine(1, 1100).in("runnable", 1200, "main.handle"+handler).in("running", 1201, "main.handle"+handler)
		w.goroutine(2, 1100).in("running", 1200, "main.burn")
		other := w.goroutine(3, 1000)
		switch seen {
		case "waits":
			other.in("preempted", 1300, "main.tick")
		case "waited at times":
			for other.at < 1300 {
				other.in("sleep", other.at+6, "time.Sleep main.tick").in("preempted", other.at+1, "main.tick")
			}
		case "waited long ago":
			other.in("preempted", 1020, "main.tick")
		}
		other.in("sleep", 1900, "time.Sleep main.tick")
		w.Settle()
		b := New(w.Timeline)
		var got [3]float64 // behind who runs, denied, behind nobody
		b.Follow(&timeline.Request{Main: w.ByID[1], From: 1100e6, To: 1200e6}, func(a Atom) {
			switch {
			case a.Denied:
				got[1] += a.NS / 1e6
			case a.Kind == timeline.CPU:
				got[0] += a.NS / 1e6
			case a.Kind == timeline.GoScheduler && a.At == timeline.Nowhere && a.Trust < 0.5:
				got[2] += a.NS / 1e6
			}
		})
		for i := range got {
			if abs(int64(got[i]-want[i])) > 3 {
				t.Errorf("%s: %.0f, want %.0f ms behind who runs, denied, behind nobody", seen, got, want)
				break
			}
		}
	}
}
