package when

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What is measured. A timeline has, for each goroutine, intervals that adjoin: what it did and
// which labels it had. A latency is the time from the first to the last of the intervals in a row in
// which a goroutine carries the labels of the condition. It begins when a goroutine that carries
// them is born, or sets them (pprof.Do), and ends when it dies or sets others. With a bare label in the
// condition it is the time from the first to the last interval of all goroutines that share the label's
// value: of a whole request, if the label is the request's id.
//
// What that cannot know: a goroutine that was never seen (shorter than a scan of the goroutine
// table, about 1 ms) has no latency. A goroutine that drops its labels and sets equal ones again
// before the next scan has one latency, not two: where one goroutine serves request after request
// without a pause, an id among the labels tells them apart. Borders are off by half a scan.
//
// Without labels in the condition, or with Requests, it is the time of a request: from the first to the last interval of a
// goroutine inside a function that serves one, as package timeline finds them (requests.go).
//
// Ended latencies count for as long as the watch looks back. One that has not ended counts as soon as it
// is beyond the bound of a condition with > or >=: it will not become shorter, and nobody should
// have to wait for the end of what hangs.

// maxSpans bounds the latencies that are remembered; the oldest go first.
const maxSpans = 1 << 18

// Watch follows the slices of a stream. It is for one goroutine at a time.
type Watch struct {
	c        *Condition
	back     time.Duration
	requests *requests // nil: latencies are those of labels
	open     map[string]*span
	done     []span // in the order of ends, nearly
	ended    Ended
}

// span is a latency: ns between two moments, Unix time.
type span struct {
	from, to int64
	slice    bool // has an interval in the slice being added
	counted  bool // is in Ended, as one that is over the bound and has not ended
	request       // what is known of it if it is one
}

// Ended is how many latencies ended in a slice, and of how many of them the condition's operator holds. One that has not ended counts
// once it is over the bound of a condition with > or >=, and then no more.
type Ended struct{ All, Over int }

// NewWatch returns a watch that looks back so far. Latencies are those of the labels, and without any those of requests.
func NewWatch(c *Condition, back time.Duration) *Watch {
	if len(c.Labels) == 0 && c.By == "" {
		return NewRequestWatch(c, back, timeline.Selector{})
	}
	return &Watch{c: c, back: back, open: make(map[string]*span)}
}

// NewRequestWatch returns a watch of requests: what is one says the selector, By of which is Func or Label; the labels of the condition
// say which of them count. A bare label in the condition is the selector, where that is zero.
func NewRequestWatch(c *Condition, back time.Duration, s timeline.Selector) *Watch {
	w := &Watch{c: c, back: back, open: make(map[string]*span)}
	if s.By == timeline.Label && c.By == "" {
		by := *c
		by.By, w.c = s.Name, &by
	}
	if w.c.By == "" {
		w.requests = newRequests(s, w.c)
	}
	return w
}

// interval is a sample of a timeline.
type interval struct {
	from, to int64
	at       int64  // when its labels were surely there
	key      string // of the span that it belongs to
	in       bool   // it carries the labels
	sight    timeline.Sight
	sample   *profile.Sample
}

// Add takes up the next slice of a recording with a timeline and says, in words, that the condition
// holds; "" when it does not.
func (w *Watch) Add(p *profile.Profile) string {
	w.Follow(p)
	v, n := w.Value()
	if (n == 0 && w.c.Stat != Count) || !w.c.holds(v) {
		return ""
	}
	if w.c.Stat == Count {
		return fmt.Sprintf("%s: %.0f", w.c, v)
	}
	return fmt.Sprintf("%s: %s of %d", w.c, time.Duration(v).Round(time.Microsecond), n)
}

// Follow takes up the next slice of a recording with a timeline, and counts what ended in it. The samples of all goroutines are taken up
// in the order of time: a span may belong to several, and what one shows of the labels must not depend on who comes first in a map.
func (w *Watch) Follow(p *profile.Profile) Ended {
	w.ended = Ended{}
	all := w.intervals(p)
	slices.SortStableFunc(all, func(a, b interval) int { return cmp.Compare(a.at, b.at) })
	for _, x := range all {
		if w.requests != nil {
			w.takeRequest(x)
		} else {
			w.take(x)
		}
	}
	w.close()
	if w.requests != nil {
		w.requests.end()
	}
	now := p.TimeNanos + p.DurationNanos
	w.forget(now - int64(w.back))
	return w.ended
}

// Reset forgets the latencies that have ended: what has been reported is not reported again.
func (w *Watch) Reset() { w.done = w.done[:0] }

// intervals are those of a profile.
func (w *Watch) intervals(p *profile.Profile) []interval {
	all := make([]interval, 0, len(p.Sample))
	wall := len(p.SampleType) - 1
	if w.requests != nil {
		w.requests.begin()
	}
	for _, s := range p.Sample {
		id, end := s.NumLabel[sample.KeyID], s.NumLabel[sample.KeyEnd]
		if len(id) != 1 || len(end) != 1 || wall < 0 || len(s.Value) <= wall {
			continue
		}
		x := interval{from: end[0] - max(s.Value[wall], 0), to: end[0], sample: s}
		// The borders of what the goroutine table saw are guesses, its middle is not; an on-CPU sample
		// (the first column counts those) has its labels from the moment at its end.
		if x.at = x.to; s.Value[0] == 0 {
			x.at = x.from + (x.to-x.from)/2
		}
		x.key, x.in = w.match(s, id[0])
		if w.requests != nil {
			x.sight = w.requests.sight(s)
		}
		all = append(all, x)
	}
	return all
}

// match says whether a sample carries the condition's labels, and to which span it belongs.
func (w *Watch) match(s *profile.Sample, id int64) (key string, in bool) {
	key = fmt.Sprint(id)
	if by := w.c.By; by != "" {
		if len(s.Label[by]) == 0 {
			return key, false
		}
		key = s.Label[by][0]
	}
	for _, l := range w.c.Labels {
		if !slices.Contains(s.Label[l.Key], l.Value) {
			return key, false
		}
	}
	return key, true
}

func (w *Watch) take(x interval) {
	sp := w.open[x.key]
	switch {
	case x.in && sp == nil:
		w.open[x.key] = &span{from: x.from, to: x.to, slice: true}
	case x.in:
		sp.from, sp.to, sp.slice = min(sp.from, x.from), max(sp.to, x.to), true
	case sp != nil && w.c.By == "":
		w.end(x.key, sp) // the goroutine has other labels now
	}
}

func (w *Watch) end(key string, sp *span) {
	delete(w.open, key)
	if !w.counts(sp) {
		return
	}
	if !sp.counted {
		w.count(sp)
	}
	if len(w.done) >= maxSpans {
		w.done = slices.Delete(w.done, 0, maxSpans/2)
	}
	w.done = append(w.done, span{from: sp.from, to: sp.to}) // and not the labels that it had, which are a sample's
}

func (w *Watch) count(sp *span) {
	w.ended.All++
	if w.c.holds(float64(sp.to - sp.from)) {
		w.ended.Over++
	}
}

// counts says whether a span is one of those that the condition is about.
func (w *Watch) counts(sp *span) bool { return w.requests == nil || sp.isLabelled() && !sp.apart }

// close ends the spans that had no interval in the slice, and counts those that are over the bound already.
func (w *Watch) close() {
	for key, sp := range maps.Clone(w.open) {
		if !sp.slice {
			w.end(key, sp)
		} else if !sp.counted && w.over(sp) {
			w.count(sp)
			sp.counted = true
		}
		sp.slice = false
	}
}

// over says whether a span that has not ended is beyond the bound: it will not become shorter.
func (w *Watch) over(sp *span) bool {
	return (w.c.Op == ">" || w.c.Op == ">=") && w.c.Stat != Count && w.counts(sp) && w.c.holds(float64(sp.to-sp.from))
}

func (w *Watch) forget(before int64) {
	w.done = slices.DeleteFunc(w.done, func(sp span) bool { return sp.to < before })
}

// Lengths are the latencies that count, ns, ascending: those that ended within the time looked back, and those that have not and
// are over the bound.
func (w *Watch) Lengths() []int64 {
	all := make([]int64, 0, len(w.done))
	for _, sp := range w.done {
		all = append(all, sp.to-sp.from)
	}
	for _, sp := range w.open {
		if w.over(sp) {
			all = append(all, sp.to-sp.from)
		}
	}
	slices.Sort(all)
	return all
}

// Value is the statistic, and of how many latencies.
func (w *Watch) Value() (v float64, n int) {
	if w.c.Stat == Count {
		return float64(len(w.done)), len(w.done)
	}
	all := w.Lengths()
	if n = len(all); n == 0 {
		return 0, 0
	}
	switch w.c.Stat {
	case Mean:
		for _, x := range all {
			v += float64(x) / float64(n)
		}
		return v, n
	case Max:
		return float64(all[n-1]), n
	}
	rank := int(math.Ceil(w.c.Quantile * float64(n)))
	return float64(all[min(max(rank, 1), n)-1]), n
}
