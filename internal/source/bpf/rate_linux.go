//go:build amd64 || arm64

package bpf

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Samples at a fixed distance are in lock-step with all that the target does at a rhythm that is close
// to it, or to a multiple or a fraction: a server whose handlers sleep for 1 ms got samples for 84 to
// 118 % of its CPU time, from one recording to the next, at 997 and 999 Hz, and 118 % at 1999 Hz. Weights
// put the sum right, but not who gets it. So the distance changes all the time, by up to an eighth, on
// each CPU by itself, and each change starts its timer anew.

const (
	jitter      = 0.125 // of the rate, at most, up and down
	holdPeriods = 20    // that a period is kept for, at least: a change costs half a sample, see draw
)

// beat is the rhythm of the event on one CPU.
type beat struct {
	period int64 // ns
	since  int64 // when the timer was started with it, CLOCK_MONOTONIC in ns
}

// rhythm are the beats of all CPUs.
type rhythm struct {
	beats   []beat
	random  *rand.Rand
	elapsed int64 // ns of all CPUs since reset,
	fired   int64 // and how often the events fired in it
}

func newRhythm(cpus int, period int64) rhythm {
	r := rhythm{beats: make([]beat, cpus), random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	for i := range r.beats {
		r.beats[i].period = period
	}
	return r
}

// start is for the moment in which the events were enabled.
func (r *rhythm) start(now int64) {
	for i := range r.beats {
		r.beats[i].since = now
	}
}

// add is for an event that is enabled now, remove for one that is gone.
func (r *rhythm) add(period, now int64) { r.beats = append(r.beats, beat{period, now}) }

func (r *rhythm) remove(i int) { r.beats = slices.Delete(r.beats, i, i+1) }

// draw chooses the next period of a CPU, now that the current one is over, in which the timer ran for hold. A timer that is started
// anew has lost what had passed of its period, half of it on average: with periods that are
// shorter by as much, hold/period of them fit into hold.
func (r *rhythm) draw(b *beat, period, hold, now int64) int64 {
	r.elapsed += hold
	r.fired += hold / b.period
	periods := float64(hold)/float64(period) + 0.5
	b.period = int64(float64(hold) / periods / (1 - jitter + 2*jitter*r.random.Float64()))
	b.since = now
	return b.period
}

// mean is the time that one firing stood for since reset.
func (r *rhythm) mean(period int64) time.Duration {
	if r.fired == 0 {
		return time.Duration(period)
	}
	return time.Duration(r.elapsed / r.fired)
}

func (r *rhythm) reset() { r.elapsed, r.fired = 0, 0 }

// shuffle gives each CPU another period, by set, if its timer has run with its own for long enough: ran says for how long it has in a time.
// To set it cannot fail but for a CPU that went offline, and there is nothing to sample there.
func (r *rhythm) shuffle(period int64, ran func(cpu int, time int64) int64, set func(cpu int, period int64) error) {
	for i := range r.beats {
		b, now := &r.beats[i], proc.Monotonic()
		hold := now - b.since
		if hold >= holdPeriods*period {
			hold = ran(i, hold)
		}
		if hold >= holdPeriods*period {
			_ = set(i, r.draw(b, period, hold, now))
		}
	}
}
