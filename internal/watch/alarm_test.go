package watch

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

var began = time.Unix(1_800_000_000, 0)

func alarm(t *testing.T, slo string, window time.Duration, burns ...string) *Alarm {
	t.Helper()
	o := Options{Window: window}
	var err error
	if o.SLO, err = report.ParseSLO(slo); err != nil {
		t.Fatal(err)
	}
	for _, text := range burns {
		b, err := ParseBurn(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Burns = append(o.Burns, b)
	}
	return New(o)
}

// seconds feeds counts of one second each, from second from on, and returns the first second with a breach, -1 without.
func (a *Alarm) seconds(from, to, all, over int) (first int, s State) {
	first = -1
	for i := from; i < to; i++ {
		s = a.Count(Counts{At: began.Add(time.Duration(i) * time.Second), All: all, Over: over})
		if s.Breach != "" && first < 0 {
			first = i
		}
	}
	return first, s
}

// A window is broken when it has more slow requests than chance makes of a service that just meets the objective.
func TestWindow(t *testing.T) {
	a := alarm(t, "p99<800ms", 30*time.Second)
	if at, s := a.seconds(0, 100, 20, 0); at >= 0 || !s.Met || s.All != 600 {
		t.Errorf("healthy: breach at %d, %+v", at, s)
	}
	at, s := a.seconds(100, 110, 20, 5)
	if at < 101 || at > 104 || s.Met {
		t.Errorf("a quarter is slow from 100 on: breach at %d, %+v", at, s)
	}
	if want := "p99<800ms: 50 of 600 requests in 30s took 800ms or longer"; s.Breach != want {
		t.Errorf("%q, want %q", s.Breach, want)
	}
	if _, s = a.seconds(110, 150, 20, 0); s.Breach != "" || !s.Met {
		t.Errorf("40 seconds later: %+v", s)
	}
	if at, _ := alarm(t, "p99<800ms", 30*time.Second).seconds(0, 20, 1, 1); at >= 0 {
		t.Error("20 requests say nothing")
	}
}

// A service of whose requests a share within the budget is slow makes no alarm in an hour; one beyond it does.
func TestWindowByChance(t *testing.T) {
	for _, x := range []struct {
		share float64
		most  int // breaches in ten hours
		least int
	}{{0.001, 0, 0}, {0.005, 3, 0}, {0.05, 36000, 9000}} {
		rng := rand.New(rand.NewPCG(1, 2))
		a, n := alarm(t, "p99<800ms", 30*time.Second), 0
		for i := range 36000 {
			over := 0
			for range 20 {
				if rng.Float64() < x.share {
					over++
				}
			}
			if a.Count(Counts{At: began.Add(time.Duration(i) * time.Second), All: 20, Over: over}).Breach != "" {
				n++
			}
		}
		if n > x.most || n < x.least {
			t.Errorf("%v of the requests slow: %d seconds with a breach of 36000", x.share, n)
		}
	}
}

// Multi-window burn rates: both windows have to burn as fast, and an hour that was not seen counts as healthy.
func TestBurn(t *testing.T) {
	full := func() *Alarm {
		a := alarm(t, "p99<800ms", 30*time.Second, "14.4x/1h/5m")
		a.seconds(0, 3600, 10, 0)
		return a
	}
	// 50 % slow burn 50x: the hour is at 14.4x after 14.4/50 of it.
	at, s := full().seconds(3600, 7200, 10, 5)
	if at < 3600+1030 || at > 3600+1045 {
		t.Errorf("breach at %d", at)
	}
	if !strings.Contains(s.Breach, "the error budget burns 50.0x over 1h and 50.0x over 5m") {
		t.Errorf("%q", s.Breach)
	}
	if at, _ := full().seconds(3600, 7200, 100, 10); at >= 0 { // 10x
		t.Errorf("10x is slow enough, breach at %d", at)
	}
	a := full()
	a.seconds(3600, 5000, 10, 5)
	if at, _ := a.seconds(5300, 5400, 10, 0); at >= 0 {
		t.Error("the short window is over it")
	}
	if at, _ := alarm(t, "p99<800ms", 30*time.Second, "14.4x/1h/5m").seconds(0, 3600, 10, 5); at < 1030 || at > 1045 {
		t.Errorf("without an hour behind it: breach at %d", at)
	}
	if len(a.totals) > 2*3602 {
		t.Errorf("%d counts are kept", len(a.totals))
	}
}

func TestParseBurn(t *testing.T) {
	for text, want := range map[string]Burn{
		"14.4x/1h/5m": {14.4, time.Hour, 5 * time.Minute}, " 1x/72h/6h ": {1, 72 * time.Hour, 6 * time.Hour},
	} {
		b, err := ParseBurn(text)
		if err != nil || b != want {
			t.Errorf("%q: %+v, %v", text, b, err)
		}
		if again, err := ParseBurn(b.String()); err != nil || again != b {
			t.Errorf("%q: %q is read as %+v, %v", text, b, again, err)
		}
	}
	for _, text := range []string{"", "14.4x", "14.4/1h/5m", "0x/1h/5m", "-1x/1h/5m", "NaNx/1h/5m", "1e3x/1h/5m", "14x/5m/1h", "14x/1h/1h",
		"14x/1h/0s", "14x/100h/5m", "14x/1h/5", "14x/1h/5m/1m"} {
		if b, err := ParseBurn(text); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %+v, %v", text, b, err)
		}
	}
}

// FuzzAlarm has alarms of each kind follow any slices.
func FuzzAlarm(f *testing.F) {
	hostile.Fuzz(f, func(t *testing.T, p *profile.Profile) {
		for _, slo := range []string{"p99<1ms", "mean(k)<1ms", "p50(k=v1)<1h"} {
			a := alarm(t, slo, time.Minute)
			a.Count(a.Follow(p))
			a.Count(a.Follow(p))
		}
	})
}

func FuzzBurn(f *testing.F) {
	f.Add("14.4x/1h/5m")
	f.Fuzz(func(t *testing.T, text string) {
		cost.Small.Hold(t, func() {
			b, err := ParseBurn(text)
			if err != nil {
				return
			}
			if again, err := ParseBurn(b.String()); err != nil || again != b {
				t.Fatalf("%q: %q is read as %+v, %v", text, b, again, err)
			}
		})
	})
}
