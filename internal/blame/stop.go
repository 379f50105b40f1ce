package blame

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// A process that is stopped from outside is seen so by the goroutines that have a thread. Those that have none stay
// what they were, waiting for an answer for one, and it is the stop that they wait for.

// stop is a stretch of time in which threads of the process were stopped, and no other one was seen to compute.
type stop struct {
	from, to int64
	kind     timeline.Kind // Unknown if others were seen to want a CPU then, which a process that is stopped does not
}

// stopped is when the process was stopped, by time. A thread can be stopped by itself, by a tracer: as long as another one
// computes, the process is not.
func (b *Blamer) stopped() []stop {
	if b.stops != nil {
		return b.stops
	}
	all := []stop{}
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			if p := &g.Pieces[i]; p.Kind == timeline.Stopped && !b.isMuch(p.From, p.To, func(l *load) float64 { return l.cpu + l.gc }) {
				all = append(all, stop{from: p.From, to: p.To})
			}
		}
	}
	slices.SortFunc(all, func(a, b stop) int { return cmp.Compare(a.from, b.from) })
	b.stops = []stop{}
	for _, s := range all {
		if n := len(b.stops); n > 0 && s.from <= b.stops[n-1].to {
			b.stops[n-1].to = max(b.stops[n-1].to, s.to)
			continue
		}
		b.stops = append(b.stops, s)
	}
	for i := range b.stops {
		s := &b.stops[i]
		if s.kind = timeline.Stopped; b.isMuch(s.from, s.to, func(l *load) float64 { return l.seen }) {
			s.kind = timeline.Unknown
		}
	}
	return b.stops
}

// isMuch says whether threads spent more of a stretch of time on something than it takes them to stop.
func (b *Blamer) isMuch(from, to int64, of func(*load) float64) bool {
	const stopping = int64(5e6)
	sum := 0.0
	b.eachCell(from, to, func(l *load, ns int64) { sum += min(of(l)*float64(ns)/float64(b.cell), float64(ns)) })
	return sum > float64(max(stopping, (to-from)/5))
}

// apart calls visit for the parts of a stretch of time in which the process was not stopped, and charges the others
// to the stop.
func (b *Blamer) apart(s timeline.Span, via route, out func(Atom), visit func(timeline.Span)) {
	stops := b.stopped()
	i, _ := slices.BinarySearchFunc(stops, s.From+1, func(x stop, at int64) int { return cmp.Compare(x.to, at) })
	for ; i < len(stops) && stops[i].from < s.To; i++ {
		if stops[i].from > s.From {
			visit(timeline.Span{Track: s.Track, From: s.From, To: stops[i].from})
		}
		a := via.lost(max(s.From, stops[i].from), min(s.To, stops[i].to))
		a.Kind = stops[i].kind
		out(a)
		if s.From = stops[i].to; s.From >= s.To {
			return
		}
	}
	visit(s)
}
