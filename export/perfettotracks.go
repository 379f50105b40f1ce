package export

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// counterStep is how long a value of a counter holds, ns.
const counterStep = int64(10e6)

// counters are tracks of how many goroutines a column's time is that of. Each value is the time of all samples within its
// step over the step, so that those of a track add up to the column, to the nanosecond.
func (x *perfetto) counters(p *profile.Profile) {
	group := x.track(track{name: "goroutines by state", rank: 1})
	for i, name := range []string{sample.ColumnCPU, sample.ColumnRunnable, sample.ColumnBlocked} {
		column := indexOf(p, name)
		if column < 0 {
			continue
		}
		id := x.track(track{name: name, parent: group, rank: int64(i + 1), unit: "goroutines"})
		for j, ns := range append(x.steps(p, column), 0) {
			var value message
			value.double(44, float64(ns)/float64(counterStep))
			x.event(event{kind: counter, track: id, at: x.From + int64(j)*counterStep, notes: value})
		}
	}
}

// steps are a column's time by when it was spent. What is outside of the timeline belongs to its first or last step: looks
// that come late credit what was before.
func (x *perfetto) steps(p *profile.Profile, column int) []int64 {
	steps := make([]int64, (x.To-x.From)/counterStep+1)
	whole := make([]int64, len(steps)+1) // how many more samples are in all of a step than in all of the one before
	for _, s := range p.Sample {
		left, end := s.Value[column], x.From
		if l := s.NumLabel[sample.KeyEnd]; len(l) > 0 {
			end = min(max(l[0], x.From), x.To)
		}
		i := (end - x.From) / counterStep
		here := left
		if i > 0 {
			here = min(left, end-x.From-i*counterStep)
		}
		steps[i], left = steps[i]+here, left-here
		n := min(left/counterStep, i)
		whole[i-n]++
		whole[i]--
		steps[max(i-n-1, 0)] += left - n*counterStep
	}
	n := int64(0)
	for i := range steps {
		n += whole[i]
		steps[i] += n * counterStep
	}
	return steps
}

// requests are tracks with a slice for the whole request and, below it, what its goroutine did.
func (x *perfetto) requests() {
	found := x.Find(timeline.Selector{}).Whole
	if len(found) == 0 {
		return
	}
	slices.SortStableFunc(found, func(a, b *timeline.Request) int { return cmp.Compare(b.Length(), a.Length()) })
	group := x.track(track{name: "requests, slowest first", rank: 2})
	for i, r := range found {
		name := x.requestName(r)
		id := x.track(track{name: fmt.Sprintf("%s %s", duration(r.Length()), name), parent: group, rank: int64(i + 1)})
		e := event{kind: sliceBegin, track: id, at: r.From, name: name}
		x.note(&e.notes, "goroutine", fmt.Sprint(r.Main.Goid))
		x.labels(&e.notes, r.Labels)
		x.event(e)
		r.Main.During(r.From, r.To, func(p *timeline.Piece, from, to int64) { x.slice(id, p, from, to, nil) })
		x.event(event{kind: sliceEnd, track: id, at: r.To})
	}
}

// requestName is what tells a request from others: its labels, or the function that began its goroutine.
func (x *perfetto) requestName(r *timeline.Request) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(x.Labels[r.Labels])) {
		words = append(words, key+"="+x.Labels[r.Labels][key])
	}
	if len(words) > 0 {
		return strings.Join(words, " ")
	}
	return x.rootOf(r.Main)
}

// rootOf is the function that a goroutine began with, as far as a stack got there.
func (x *perfetto) rootOf(g *timeline.Track) string {
	for i := range g.Pieces {
		if root := x.Root(g.Pieces[i].Stack); root != "" && !g.Pieces[i].Guess {
			return root
		}
	}
	return "[unknown]"
}

func (x *perfetto) goroutineName(g *timeline.Track) string {
	return fmt.Sprintf("%d %s", g.Goid, x.rootOf(g))
}

// duration is a time to read, in ms.
func duration(ns int64) string { return fmt.Sprintf("%.1fms", float64(ns)/1e6) }

// goroutines are tracks by id. Their pieces do not overlap, and are those that mayfly report judges.
func (x *perfetto) goroutines() {
	group := x.track(track{name: "goroutines", rank: 3})
	ids := make(map[int64]uint64)
	for i, g := range x.Tracks {
		ids[g.Goid] = x.track(track{name: x.goroutineName(g), parent: group, rank: int64(i + 1)})
	}
	for _, g := range x.Tracks {
		arrow := x.arrow(ids, g.Parent, g.Pieces[0].From, "go")
		for i := range g.Pieces {
			p := &g.Pieces[i]
			x.slice(ids[g.Goid], p, p.From, p.To, arrow)
			arrow = nil
			if i+1 < len(g.Pieces) && p.By != g.Goid {
				arrow = x.arrow(ids, p.By, p.To, "wakes")
			}
		}
	}
}

// arrow begins a flow on the track of a goroutine that lives then, and returns the field of an event that ends it.
func (x *perfetto) arrow(ids map[int64]uint64, from, at int64, name string) (end message) {
	if g := x.ByID[from]; g == nil || !g.Alive(at-1, at+1) {
		return nil
	}
	x.flow++
	var begin message
	begin.fixed64(47, x.flow)
	x.event(event{kind: instant, track: ids[from], at: at, name: name, notes: begin})
	end.fixed64(48, x.flow)
	return end
}
