// Package requests picks single requests from a timeline: by a value of one of their labels, the slowest, those over a
// latency. It shows them moment by moment, and keeps what a profile has of them.
//
//	found, err := requests.In(t, requests.Pick{Worst: 3})
//	err = found.WriteText(w)
//	found.Keep(p)
package requests

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Pick says which requests. All that is set has to hold.
type Pick struct {
	Request timeline.Selector // what a request is
	ID      string            // the value of one of its labels
	Least   time.Duration     // as long as that, or longer
	Worst   int               // not more than so many, 0: all
}

// Found is requests of a timeline, the slowest first.
type Found struct {
	*timeline.Timeline
	Picked []*timeline.Request
	Whole  int // requests that were there to pick from
	Cut    int // those that the recording has only a part of: how long they took is not known
}

// In picks requests. None at all is an error; none that are slow enough is none.
func In(t *timeline.Timeline, pick Pick) (*Found, error) {
	all := t.Find(pick.Request)
	f := &Found{Timeline: t, Whole: len(all.Whole), Cut: all.Cut}
	if f.Whole == 0 {
		return nil, fmt.Errorf("no whole request in the profile: %s", printable.Line(pick.Request.Hint(all.Cut)))
	}
	for _, r := range all.Whole {
		if r.Length() >= int64(pick.Least) && (pick.ID == "" || f.has(r, pick.ID)) {
			f.Picked = append(f.Picked, r)
		}
	}
	if pick.ID != "" && len(f.Picked) == 0 {
		return nil, fmt.Errorf("none of %d whole requests has a label with the value %s: look at those that there are with --worst",
			f.Whole, printable.Shell(pick.ID))
	}
	slices.SortStableFunc(f.Picked, func(a, b *timeline.Request) int {
		return cmp.Or(cmp.Compare(b.Length(), a.Length()), cmp.Compare(a.From, b.From))
	})
	if pick.Worst > 0 {
		f.Picked = f.Picked[:min(len(f.Picked), pick.Worst)]
	}
	return f, nil
}

// has says whether a request has a label with a value at any time: a trace's id is set when the span begins.
func (f *Found) has(r *timeline.Request, value string) (has bool) {
	in := func(labels int32) {
		for _, v := range f.Labels[labels] {
			has = has || v == value
		}
	}
	has = r.ID == value
	in(r.Labels)
	r.Main.During(r.From, r.To, func(p *timeline.Piece, _, _ int64) { in(p.Labels) })
	return has
}

// span is a stretch of time, ns.
type span struct{ from, to int64 }

// spans are when which goroutines worked for the requests that were picked. Where those of two overlap, as of a goroutine that
// both have the label of, they are one.
func (f *Found) spans() map[int64][]span {
	spans := make(map[int64][]span)
	for _, r := range f.Picked {
		for _, g := range append([]*timeline.Track{r.Main}, r.Kids...) {
			spans[g.Goid] = append(spans[g.Goid], span{r.From, r.To})
		}
	}
	for id, list := range spans {
		slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.from, b.from) })
		joined := list[:1]
		for _, s := range list[1:] {
			if last := &joined[len(joined)-1]; s.from <= last.to {
				last.to = max(last.to, s.to)
			} else {
				joined = append(joined, s)
			}
		}
		spans[id] = joined
	}
	return spans
}

// Keep leaves in a profile, the one that the timeline was read from, what is of the requests that were picked: the part of
// each interval that is within one, and the samples on a CPU that were taken within one. They lose their times: in a timeline
// a hole between two intervals is time on a CPU, and here it would be what was left out.
func (f *Found) Keep(p *profile.Profile) {
	events := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == sample.ColumnSamples })
	wall := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == sample.ColumnWall })
	spans := f.spans()
	kept := p.Sample[:0]
	for _, s := range p.Sample {
		id, end := s.NumLabel[sample.KeyID], s.NumLabel[sample.KeyEnd]
		if len(id) != 1 || len(end) != 1 {
			continue
		}
		length := s.Value[wall]
		if s.Value[events] > 0 {
			length = 1 // a point
		}
		within := overlap(spans[id[0]], span{end[0] - length, end[0]})
		if within > 0 {
			if s.Value[events] == 0 && within < length {
				clip(s, length, within)
			}
			delete(s.NumLabel, sample.KeyEnd)
			delete(s.NumUnit, sample.KeyEnd)
			kept = append(kept, s)
		}
	}
	clear(p.Sample[len(kept):])
	p.Sample = kept
	p.Comments = append(p.Comments, fmt.Sprintf("%s=%d of %d", sample.CommentKept, len(f.Picked), f.Whole))
}

// overlap is how much of a stretch of time is in spans, which are in order and do not overlap.
func overlap(spans []span, of span) (ns int64) {
	i, _ := slices.BinarySearchFunc(spans, of.from+1, func(s span, at int64) int { return cmp.Compare(s.to, at) })
	for ; i < len(spans) && spans[i].from < of.to; i++ {
		ns += max(min(of.to, spans[i].to)-max(of.from, spans[i].from), 0)
	}
	return ns
}

// clip leaves of an interval, whose values are its length or 0, a part.
func clip(s *profile.Sample, length, within int64) {
	for i, v := range s.Value {
		if v == length {
			s.Value[i] = within
		}
	}
}

// describe is what tells a request from others: its labels.
func describe(labels map[string]string) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, key+"="+labels[key])
	}
	return strings.Join(words, " ")
}
