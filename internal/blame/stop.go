package blame

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// A process that is stopped from outside is seen so by the goroutines that have a thread. Those that have none stay
// what they were, waiting for an answer for one, and it is the stop that they wait for.

// stopped is when the process was stopped, by time. A thread can be stopped by itself, by a tracer: as long as another one
// computes, the process is not.
func (b *Blamer) stopped() []timeline.Span {
	if b.stops != nil {
		return b.stops
	}
	all := []timeline.Span{}
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			if p := &g.Pieces[i]; p.Kind == timeline.Stopped && !b.computes(p.From, p.To) {
				all = append(all, timeline.Span{From: p.From, To: p.To})
			}
		}
	}
	slices.SortFunc(all, func(a, b timeline.Span) int { return cmp.Compare(a.From, b.From) })
	b.stops = []timeline.Span{}
	for _, s := range all {
		if n := len(b.stops); n > 0 && s.From <= b.stops[n-1].To {
			b.stops[n-1].To = max(b.stops[n-1].To, s.To)
			continue
		}
		b.stops = append(b.stops, s)
	}
	return b.stops
}

// computes says whether the process was on a CPU in a stretch of time, for more than its threads take to stop.
func (b *Blamer) computes(from, to int64) bool {
	const stopping = int64(5e6)
	busy := 0.0
	b.eachCell(from, to, func(l *load, ns int64) {
		busy += min((l.cpu+l.gc)*float64(ns)/float64(b.cell), float64(ns))
	})
	return busy > float64(max(stopping, (to-from)/5))
}

// apart calls visit for the parts of a stretch of time in which the process was not stopped, and charges the others
// to the stop.
func (b *Blamer) apart(s timeline.Span, via route, out func(Atom), visit func(timeline.Span)) {
	stops := b.stopped()
	i, _ := slices.BinarySearchFunc(stops, s.From+1, func(x timeline.Span, at int64) int { return cmp.Compare(x.To, at) })
	for ; i < len(stops) && stops[i].From < s.To; i++ {
		if stops[i].From > s.From {
			visit(timeline.Span{Track: s.Track, From: s.From, To: stops[i].From})
		}
		a := via.lost(max(s.From, stops[i].From), min(s.To, stops[i].To))
		a.Kind = timeline.Stopped
		out(a)
		if s.From = stops[i].To; s.From >= s.To {
			return
		}
	}
	visit(s)
}
