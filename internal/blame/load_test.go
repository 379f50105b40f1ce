package blame

import (
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
