//go:build amd64 || arm64

package bpf

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// simulate fires the event of one CPU as the kernel does, and changes its period as shuffle does, for
// d. hit is called with the time of each firing.
func simulate(hz int64, d time.Duration, hit func(at int64)) *rhythm {
	period := int64(time.Second) / hz
	r := newRhythm(1, period)
	r.start(0)
	b := &r.beats[0]
	hold := max(int64(drainEvery), holdPeriods*period)
	for now := hold; now < int64(d); now += hold {
		for at := b.since + b.period; at <= now; at += b.period {
			hit(at)
		}
		r.draw(b, period, now-b.since, now)
	}
	return &r
}

// A timer that runs now and then only keeps its period until it has had enough of them: each change costs half a sample.
func TestShuffleWaits(t *testing.T) {
	const period = int64(time.Millisecond)
	r := newRhythm(1, period)
	r.start(0) // long ago
	for _, tt := range []struct {
		ran  int64
		want int
	}{{5 * period, 0}, {holdPeriods*period - 1, 0}, {25 * period, 1}} {
		set := 0
		r.shuffle(period, func(int, int64) int64 { return tt.ran }, func(int, int64) error { set++; return nil })
		if set != tt.want || tt.want > 0 && r.elapsed != tt.ran {
			t.Errorf("after %d ns the period was set %d times, want %d; %d ns counted", tt.ran, set, tt.want, r.elapsed)
		}
	}
}

// However often the period is changed, the events fire as often as was asked, and mean says how often.
func TestRhythmKeepsRate(t *testing.T) {
	for _, hz := range []int64{19, 99, 999, 4999, 20000} {
		t.Run(fmt.Sprint(hz), func(t *testing.T) {
			var fired, last int64
			r := simulate(hz, max(200000*time.Second/time.Duration(hz), 10*time.Minute), func(at int64) { fired, last = fired+1, at })
			if got := float64(fired) / float64(last) * 1e9; math.Abs(got/float64(hz)-1) > 0.005 {
				t.Errorf("%.1f firings a second", got)
			}
			if fired != r.fired {
				t.Errorf("%d firings were counted, %d happened", r.fired, fired)
			}
			if mean, got := r.mean(0).Seconds(), float64(last)/1e9/float64(fired); math.Abs(mean/got-1) > 0.005 {
				t.Errorf("a firing is said to stand for %g s, and stands for %g", mean, got)
			}
		})
	}
}

// A target that is busy for a fifth of each period has a fifth of the samples, not none or all of them.
func TestRhythmIsNotInStep(t *testing.T) {
	const hz, rounds = 999, 20
	for _, ratio := range []float64{0.5, 1, 1.0605, 2, 3} {
		var busy, all float64
		for range rounds {
			simulate(hz, 5*time.Second, func(at int64) {
				all++
				if _, phase := math.Modf(float64(at) * hz / 1e9 / ratio); phase < 0.2 {
					busy++
				}
			})
		}
		if share := busy / all; math.Abs(share-0.2) > 0.01 {
			t.Errorf("work of %.2f periods: %.1f %% of the samples are in the fifth of the time that it is busy", ratio, 100*share)
		}
	}
}
