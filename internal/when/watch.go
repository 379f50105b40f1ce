package when

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/pprof/profile"
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
// Ended latencies count for as long as the watch looks back. One that has not ended counts as soon as it
// is beyond the bound of a condition with > or >=: it will not become shorter, and nobody should
// have to wait for the end of what hangs.

// maxSpans bounds the latencies that are remembered; the oldest go first.
const maxSpans = 1 << 18

// Watch follows the slices of a stream. It is for one goroutine at a time.
type Watch struct {
	c    *Condition
	back time.Duration
	open map[string]*span
	done []span // in the order of ends, nearly
}

// span is a latency: ns between two moments, Unix time.
type span struct {
	from, to int64
	slice    bool // has an interval in the slice being added
}

// NewWatch returns a watch that looks back so far.
func NewWatch(c *Condition, back time.Duration) *Watch {
	return &Watch{c: c, back: back, open: make(map[string]*span)}
}

// interval is a sample of a timeline.
type interval struct {
	from, to int64
	at       int64  // when its labels were surely there
	key      string // of the span that it belongs to
	in       bool   // it carries the labels
}

// Add takes up the next slice of a recording with a timeline and says, in words, that the condition
// holds; "" when it does not.
func (w *Watch) Add(p *profile.Profile) string {
	for _, list := range w.intervals(p) {
		slices.SortStableFunc(list, func(a, b interval) int { return cmp.Compare(a.at, b.at) })
		for _, x := range list {
			w.take(x)
		}
	}
	w.close()
	now := p.TimeNanos + p.DurationNanos
	w.forget(now - int64(w.back))
	v, n := w.value()
	if (n == 0 && w.c.Stat != Count) || !w.c.holds(v) {
		return ""
	}
	if w.c.Stat == Count {
		return fmt.Sprintf("%s: %.0f", w.c, v)
	}
	return fmt.Sprintf("%s: %s of %d", w.c, time.Duration(v).Round(time.Microsecond), n)
}

// Reset forgets the latencies that have ended: what has been reported is not reported again.
func (w *Watch) Reset() { w.done = w.done[:0] }

// intervals are those of a profile, by goroutine.
func (w *Watch) intervals(p *profile.Profile) map[int64][]interval {
	all := make(map[int64][]interval)
	wall := len(p.SampleType) - 1
	for _, s := range p.Sample {
		id, end := s.NumLabel[sample.KeyID], s.NumLabel[sample.KeyEnd]
		if len(id) != 1 || len(end) != 1 || wall < 0 || len(s.Value) <= wall {
			continue
		}
		x := interval{from: end[0] - max(s.Value[wall], 0), to: end[0]}
		// The borders of what the goroutine table saw are guesses, its middle is not; an on-CPU sample
		// (the first column counts those) has its labels from the moment at its end.
		if x.at = x.to; s.Value[0] == 0 {
			x.at = x.from + (x.to-x.from)/2
		}
		x.key, x.in = w.match(s, id[0])
		all[id[0]] = append(all[id[0]], x)
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
		w.open[x.key] = &span{x.from, x.to, true}
	case x.in:
		sp.from, sp.to, sp.slice = min(sp.from, x.from), max(sp.to, x.to), true
	case sp != nil && w.c.By == "":
		w.end(x.key, sp) // the goroutine has other labels now
	}
}

func (w *Watch) end(key string, sp *span) {
	delete(w.open, key)
	if len(w.done) >= maxSpans {
		w.done = slices.Delete(w.done, 0, maxSpans/2)
	}
	w.done = append(w.done, *sp)
}

// close ends the spans that had no interval in the slice.
func (w *Watch) close() {
	for key, sp := range maps.Clone(w.open) {
		if !sp.slice {
			w.end(key, sp)
		}
		sp.slice = false
	}
}

func (w *Watch) forget(before int64) {
	w.done = slices.DeleteFunc(w.done, func(sp span) bool { return sp.to < before })
}

// value is the statistic, and of how many latencies.
func (w *Watch) value() (v float64, n int) {
	var all []float64
	for _, sp := range w.done {
		all = append(all, float64(sp.to-sp.from))
	}
	if w.c.Stat == Count {
		return float64(len(all)), len(all)
	}
	for _, sp := range w.open {
		if age := float64(sp.to - sp.from); (w.c.Op == ">" || w.c.Op == ">=") && w.c.holds(age) {
			all = append(all, age)
		}
	}
	if n = len(all); n == 0 {
		return 0, 0
	}
	slices.Sort(all)
	switch w.c.Stat {
	case Mean:
		for _, x := range all {
			v += x / float64(n)
		}
		return v, n
	case Max:
		return all[n-1], n
	}
	rank := int(math.Ceil(w.c.Quantile * float64(n)))
	return all[min(max(rank, 1), n)-1], n
}
