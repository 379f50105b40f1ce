package timeline

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

const (
	// edge is how close to the ends of its goroutine's track a request may begin or end and still be
	// whole, if the track ends with the recording: within early of its begin, or late of its end.
	edge  = int64(3e6)
	early = int64(20e6)
	late  = int64(250e6)
)

// Found is the requests of a timeline.
type Found struct {
	Whole   []*Request // by begin
	Cut     int        // requests that the recording has only a part of
	Parts   []*Request // those parts, in no order
	Streams int        // requests that have no end of their own; not in Whole
}

// Find returns the requests in a timeline.
func (t *Timeline) Find(s Selector) Found {
	var all []*Request
	inside := t.insideOf(s)
	l := &labeller{t, t.identifying(inside), make(map[string]int32)}
	switch {
	case s.By == Label:
		all = t.byLabel(s.Name)
	case s.By == Goroutine:
		all = t.byGoroutine(s.Name)
	case s.By == TraceTask, s.By == TraceRegion, t.Evidence == ByTrace:
		all = t.traced(s, inside)
	default:
		if all = t.byCall(s.Functions()); len(all) == 0 {
			all = t.byFunction(s, inside, l.ids)
		}
		if s.Name == "" || names.Match(s.Name, servers) {
			t.markStreams(all)
		}
	}
	var f Found
	all = slices.DeleteFunc(all, func(r *Request) bool {
		if r.Stream {
			f.Streams++
		}
		return r.Stream
	})
	t.adopt(all)
	for _, r := range all {
		first, last := r.Main.Pieces[0].From, r.Main.Pieces[len(r.Main.Pieces)-1].To
		switch {
		case r.Exact && (r.From < t.From || r.To > t.To),
			!r.Exact && (r.From <= first+edge && first <= t.From+early || r.To >= last-edge && last >= t.To-late):
			l.label(r)
			f.Cut, f.Parts = f.Cut+1, append(f.Parts, r)
		case r.To > r.From:
			l.label(r)
			f.Whole = append(f.Whole, r)
		}
	}
	l.learn(f.Whole)
	slices.SortFunc(f.Whole, func(a, b *Request) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Main.Goid, b.Main.Goid))
	})
	return f
}

// byLabel finds the requests that the values of a label are. The goroutine of a request is the one
// that was there before it and took the label on; those that only inherited it are its children, and
// some of them, such as the readers of kept connections, outlive it.
func (t *Timeline) byLabel(key string) []*Request {
	spans := map[string][]Span{}
	for _, g := range t.Tracks {
		for v, s := range t.labelled(g, key) {
			spans[v] = append(spans[v], s)
		}
	}
	var all []*Request
	for v, ss := range spans {
		have := make(map[int64]bool, len(ss))
		for _, s := range ss {
			have[s.Track.Goid] = true
		}
		slices.SortFunc(ss, func(a, b Span) int {
			return cmp.Or(cmp.Compare(inherited(a, have), inherited(b, have)),
				cmp.Compare(a.From, b.From), cmp.Compare(b.To, a.To), cmp.Compare(a.Track.Goid, b.Track.Goid))
		})
		r := &Request{ID: v, Main: ss[0].Track, From: ss[0].From, To: ss[0].To}
		for _, s := range ss[1:] {
			r.Kids = append(r.Kids, s.Track)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *Request) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// labelled is where a goroutine has which value of a label.
func (t *Timeline) labelled(g *Track, key string) map[string]Span {
	found := map[string]Span{}
	for i := range g.Pieces {
		p := &g.Pieces[i]
		v := t.Labels[p.Labels][key]
		if v == "" || p.Left {
			continue
		}
		s, ok := found[v]
		if !ok {
			s = Span{Track: g, From: p.From, To: p.To}
		}
		s.To = p.To
		found[v] = s
	}
	return found
}

// inherited is 0 for a goroutine that had a life before it had the label, 1 for one whose parent is
// not among those with the same label, else 2.
func inherited(s Span, have map[int64]bool) int {
	if s.Track.Pieces[0].From < s.From {
		return 0
	}
	if s.Track.Parent == 0 || have[s.Track.Parent] {
		return 2
	}
	return 1
}

// byCall finds the requests that are recorded calls of one of the functions. One so short that no scan
// saw its goroutine counts all the same; where its time went is not known.
func (t *Timeline) byCall(functions []string) []*Request {
	var all []*Request
	for _, c := range t.calls {
		if !names.Match(t.Funcs[c.fn].Name, functions) {
			continue
		}
		g := t.ByID[c.goid]
		if g == nil {
			g = &Track{Goid: c.goid, Pieces: []Piece{{From: c.from, To: c.to, Kind: Unknown, Stack: t.Nothing, Guess: true}}}
		}
		all = append(all, &Request{Main: g, From: c.from, To: c.to, Exact: true})
	}
	return all
}

// byFunction finds the stretches of goroutines' lives in which a function is on the stack.
func (t *Timeline) byFunction(s Selector, inside []bool, ids *Identifying) []*Request {
	w := &stretches{Timeline: t, inside: inside, gap: make([]bool, len(t.Stacks)), entry: make([]int32, len(t.Stacks)), ids: ids,
		named: s.Name != ""}
	for i := range t.Stacks {
		w.gap[i] = t.Has(&t.Stacks[i], unwalked)
		w.entry[i] = t.entryOf(t.Stacks[i].Frames)
	}
	for _, g := range t.Tracks {
		w.of(g)
	}
	if s.Name != "" {
		return w.all
	}
	return slices.DeleteFunc(w.all, t.profiles)
}

// insideOf says which stacks are inside a function that a selector names, or inside a server's handler.
func (t *Timeline) insideOf(s Selector) []bool {
	inside := make([]bool, len(t.Stacks))
	for i := range t.Stacks {
		inside[i] = t.Stacks[i].marks&handles != 0
		if s.By == Func && s.Name != "" {
			inside[i] = t.Has(&t.Stacks[i], s.Functions())
		}
	}
	return inside
}

// profiles says whether a request is one for a profile.
func (t *Timeline) profiles(r *Request) (is bool) {
	r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) {
		is = is || slices.ContainsFunc(t.Stacks[p.Stack].Frames, func(f Frame) bool { return t.Funcs[f.Fn].Pkg == "net/http/pprof" })
	})
	return is
}

// byGoroutine finds the goroutines that start in a function.
func (t *Timeline) byGoroutine(name string) []*Request {
	var all []*Request
	for _, g := range t.Tracks {
		if slices.ContainsFunc(g.Pieces, func(p Piece) bool { return !p.Guess && t.Root(p.Stack) == name }) {
			all = append(all, &Request{Main: g, From: g.Pieces[0].From, To: g.Pieces[len(g.Pieces)-1].To})
		}
	}
	return all
}

// adopt adds the goroutines that a request started, and those that they started. The goroutine of a kept connection has thousands of
// requests, each of which started one: those of one request are looked up by when they were born.
func (t *Timeline) adopt(all []*Request) {
	byParent := map[int64][]*Track{}
	for _, g := range t.Tracks {
		if g.Parent != 0 {
			byParent[g.Parent] = append(byParent[g.Parent], g)
		}
	}
	for _, kids := range byParent {
		slices.SortStableFunc(kids, func(a, b *Track) int { return cmp.Compare(a.Pieces[0].From, b.Pieces[0].From) })
	}
	for _, r := range all {
		known := map[*Track]bool{r.Main: true}
		for _, k := range r.Kids {
			known[k] = true
		}
		for todo := append([]*Track{r.Main}, r.Kids...); len(todo) > 0; todo = todo[1:] {
			for _, k := range bornIn(byParent[todo[0].Goid], r) {
				if !known[k] {
					known[k] = true
					r.Kids = append(r.Kids, k)
					todo = append(todo, k)
				}
			}
		}
	}
}

// bornIn are those of some goroutines, sorted by birth, that were born during a request, by id.
func bornIn(kids []*Track, r *Request) []*Track {
	at := func(ns int64) int {
		i, _ := slices.BinarySearchFunc(kids, ns, func(k *Track, ns int64) int { return cmp.Compare(k.Pieces[0].From, ns) })
		return i
	}
	first := at(r.From)
	born := slices.Clone(kids[first:max(at(r.To), first)])
	slices.SortFunc(born, func(a, b *Track) int { return cmp.Compare(a.Goid, b.Goid) })
	return born
}
