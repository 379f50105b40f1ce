package timeline

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

const (
	// Bridge is how long a goroutine may look as if it had left a function, in a state in which its
	// stack is that of an earlier moment.
	Bridge = int64(20e6)
	// many is how many values make a label one that tells requests apart.
	many = 16
	// edge is how close to the ends of its goroutine's track a request may begin or end and still be
	// whole, if the track ends with the recording: within early of its begin, or late of its end.
	edge  = int64(3e6)
	early = int64(20e6)
	late  = int64(250e6)
)

// Request is one request: a stretch of the life of one goroutine, and what the goroutines did that
// worked for it.
type Request struct {
	ID       string // the label's value, "" for other selectors
	Main     *Track
	Kids     []*Track
	From, To int64
	Labels   int32
	Exact    bool // begin and end were recorded, not seen by scans
	Stream   bool // has no end of its own: a stream of events, a connection taken over, a streaming call
	Learnt   bool // the labels are those of others with the same handler
}

// Length is how long the request took, ns.
func (r *Request) Length() int64 { return r.To - r.From }

// NameOf is the labels of a request, or the function of its goroutine if it has none.
func (t *Timeline) NameOf(r *Request) string {
	var names []string
	for k, v := range t.Labels[r.Labels] {
		names = append(names, k+"="+v)
	}
	if len(names) == 0 {
		return t.Started(r.Main)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Started is the function that a goroutine was started with, "" if it never had a stack. What stands for a stack that could
// not be walked is none.
func (t *Timeline) Started(g *Track) string {
	for i := range g.Pieces {
		if root := t.Root(g.Pieces[i].Stack); root != "" && root[0] != '[' {
			return root
		}
	}
	return ""
}

// Found is the requests of a timeline.
type Found struct {
	Whole   []*Request // by begin
	Cut     int        // requests that the recording has only a part of
	Streams int        // requests that have no end of their own; not in Whole
}

// Find returns the requests in a timeline.
func (t *Timeline) Find(s Selector) Found {
	var all []*Request
	switch {
	case s.By == Label:
		all = t.byLabel(s.Name)
	case s.By == Goroutine:
		all = t.byGoroutine(s.Name)
	case s.By == TraceTask, s.By == TraceRegion, t.Evidence == ByTrace:
		all = t.traced(s)
	default:
		if all = t.byCall(s.Functions()); len(all) == 0 {
			all = t.byFunction(s)
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
			f.Cut++
		case r.To > r.From:
			r.Labels = t.mainLabels(r)
			f.Whole = append(f.Whole, r)
		}
	}
	if t.Evidence == ByTrace {
		t.learn(f.Whole)
	}
	slices.SortFunc(f.Whole, func(a, b *Request) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Main.Goid, b.Main.Goid))
	})
	return f
}

// mainLabels is the label set that the request had longest.
func (t *Timeline) mainLabels(r *Request) int32 {
	time := map[int32]int64{}
	best := int32(0)
	r.Main.During(r.From, r.To, func(p *Piece, from, to int64) {
		if p.Labels == 0 {
			return
		}
		if time[p.Labels] += to - from; best == 0 || time[p.Labels] > time[best] {
			best = p.Labels
		}
	})
	return best
}

// Span is a stretch of a goroutine's life.
type Span struct {
	Track    *Track
	From, To int64
	Fn       int32 // of a hold: the function that the goroutine is in
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
		slices.SortFunc(ss, func(a, b Span) int {
			return cmp.Or(cmp.Compare(t.inherited(a, ss), t.inherited(b, ss)),
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
		if v == "" {
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
func (t *Timeline) inherited(s Span, all []Span) int {
	if s.Track.Pieces[0].From < s.From {
		return 0
	}
	if s.Track.Parent == 0 || slices.ContainsFunc(all, func(o Span) bool { return o.Track.Goid == s.Track.Parent }) {
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

// byFunction finds the stretches of goroutines' lives in which a function is on the stack. A kept
// connection handles one request after the other: in between it is idle, or the value of a label that
// has many values changes.
func (t *Timeline) byFunction(s Selector) []*Request {
	inside, unwalked := make([]bool, len(t.Stacks)), make([]bool, len(t.Stacks))
	for i := range t.Stacks {
		inside[i] = t.Has(&t.Stacks[i], s.Functions())
		if s.Name == "" {
			inside[i] = t.Stacks[i].marks&handles != 0
		}
		unwalked[i] = t.Has(&t.Stacks[i], []string{"[unwalked]"})
	}
	keys := t.identifying()
	var all []*Request
	for _, g := range t.Tracks {
		var open *Request
		labels := int32(0)
		for i := range g.Pieces {
			p := &g.Pieces[i]
			in, stale := inside[p.Stack], p.Stale() || unwalked[p.Stack]
			switch {
			case open == nil && !in, open != nil && !in && stale && p.Length() < Bridge && !t.differ(labels, p.Labels, keys):
				continue // a stale piece is part of the request if the function comes back
			case !in:
				open, labels = nil, 0
				continue
			case open == nil || t.differ(labels, p.Labels, keys):
				open, labels = &Request{Main: g, From: p.From}, 0
				all = append(all, open)
			}
			open.To = p.To
			if p.Labels != 0 {
				labels = p.Labels
			}
		}
	}
	if s.Name != "" {
		return all
	}
	return slices.DeleteFunc(all, t.profiles)
}

// profiles says whether a request is one for a profile.
func (t *Timeline) profiles(r *Request) (is bool) {
	r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) {
		is = is || slices.ContainsFunc(t.Stacks[p.Stack].Frames, func(f Frame) bool { return t.Funcs[f.Fn].Pkg == "net/http/pprof" })
	})
	return is
}

// Stale says whether a piece's stack may be of an earlier moment, or of none.
func (p *Piece) Stale() bool {
	return p.Guess || p.Kind == CPU || p.Kind == GC || p.Kind == GoScheduler || p.Kind.Denied() || p.Kind == Stopped || p.Kind == Syscall
}

// identifying are the labels that tell requests apart.
func (t *Timeline) identifying() []string {
	values := map[string]map[string]bool{}
	for _, set := range t.Labels {
		for k, v := range set {
			if values[k] == nil {
				values[k] = map[string]bool{}
			}
			values[k][v] = true
		}
	}
	var keys []string
	for k, vs := range values {
		if len(vs) > many {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// differ says whether two label sets belong to different requests.
func (t *Timeline) differ(a, b int32, keys []string) bool {
	if a == b || a == 0 || b == 0 {
		return false
	}
	return slices.ContainsFunc(keys, func(k string) bool {
		x, y := t.Labels[a][k], t.Labels[b][k]
		return x != "" && y != "" && x != y
	})
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

// Root is the function that a goroutine was started with.
func (t *Timeline) Root(stack int32) string {
	frames := t.Stacks[stack].Frames
	for i := len(frames) - 1; i >= 0; i-- {
		if name := t.Funcs[frames[i].Fn].Name; !names.Match(name, names.Goexit) {
			return name
		}
	}
	return ""
}

// adopt adds the goroutines that a request started, and those that they started.
func (t *Timeline) adopt(all []*Request) {
	byParent := map[int64][]*Track{}
	for _, g := range t.Tracks {
		if g.Parent != 0 {
			byParent[g.Parent] = append(byParent[g.Parent], g)
		}
	}
	for _, r := range all {
		known := map[*Track]bool{r.Main: true}
		for _, k := range r.Kids {
			known[k] = true
		}
		for todo := append([]*Track{r.Main}, r.Kids...); len(todo) > 0; todo = todo[1:] {
			for _, k := range byParent[todo[0].Goid] {
				if born := k.Pieces[0].From; !known[k] && born >= r.From && born < r.To {
					known[k] = true
					r.Kids = append(r.Kids, k)
					todo = append(todo, k)
				}
			}
		}
	}
}

// Group is requests that have the value of a label in common.
type Group struct {
	Label, Value string
	Requests     []*Request
}

// Groups are the requests by the value of a label, the largest group first; without a key all are one.
func (t *Timeline) Groups(all []*Request, key string) []Group {
	if key == "" {
		return []Group{{Requests: all}}
	}
	by := map[string][]*Request{}
	for _, r := range all {
		v := t.Labels[r.Labels][key]
		by[v] = append(by[v], r)
	}
	var gs []Group
	for v, rs := range by {
		gs = append(gs, Group{key, v, rs})
	}
	slices.SortFunc(gs, func(a, b Group) int {
		if d := len(b.Requests) - len(a.Requests); d != 0 {
			return d
		}
		return slices.Compare([]string{a.Value}, []string{b.Value})
	})
	return gs
}
