package report

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

const (
	// bridge is how long a goroutine may look as if it had left a function, in a state in which its
	// stack is that of an earlier moment.
	bridge = int64(20e6)
	// many is how many values make a label one that tells requests apart.
	many = 16
	// edge is how close to the ends of its goroutine's track a request may begin or end and still be
	// whole, if the track ends with the recording: within early of its begin, or late of its end.
	edge  = int64(3e6)
	early = int64(20e6)
	late  = int64(250e6)
)

// request is one request: a stretch of the life of one goroutine, and what the goroutines did that
// worked for it.
type request struct {
	id       string // the label's value, "" for other selectors
	main     *track
	kids     []*track
	from, to int64
	labels   int32
	exact    bool // begin and end were recorded, not seen by looks
}

func (r *request) length() int64 { return r.to - r.from }

// find returns the requests in a timeline by begin, and how many of them the recording has only a
// part of: those are left out.
func (t *timeline) find(s Selector) (whole []*request, cut int) {
	var all []*request
	switch s.By {
	case Label:
		all = t.byLabel(s.Name)
	case Goroutine:
		all = t.byGoroutine(s.Name)
	default:
		if all = t.byCall(s.Functions()); len(all) == 0 {
			all = t.byFunction(s.Functions())
		}
	}
	t.adopt(all)
	for _, r := range all {
		first, last := r.main.pieces[0].from, r.main.pieces[len(r.main.pieces)-1].to
		switch {
		case r.exact && (r.from < t.from || r.to > t.to),
			!r.exact && (r.from <= first+edge && first <= t.from+early || r.to >= last-edge && last >= t.to-late):
			cut++
		case r.to > r.from:
			r.labels = t.mainLabels(r)
			whole = append(whole, r)
		}
	}
	slices.SortFunc(whole, func(a, b *request) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.main.goid, b.main.goid))
	})
	return whole, cut
}

// mainLabels is the label set that the request had longest.
func (t *timeline) mainLabels(r *request) int32 {
	time := map[int32]int64{}
	best := int32(0)
	r.main.during(r.from, r.to, func(p *piece, from, to int64) {
		if p.labels == 0 {
			return
		}
		if time[p.labels] += to - from; best == 0 || time[p.labels] > time[best] {
			best = p.labels
		}
	})
	return best
}

// span is a stretch of a goroutine's life.
type span struct {
	track    *track
	from, to int64
	fn       int32 // of a hold: the function that the goroutine is in
}

// byLabel finds the requests that the values of a label are. The goroutine of a request is the one
// that was there before it and took the label on; those that only inherited it are its children, and
// some of them, such as the readers of kept connections, outlive it.
func (t *timeline) byLabel(key string) []*request {
	spans := map[string][]span{}
	for _, g := range t.tracks {
		for v, s := range t.labelled(g, key) {
			spans[v] = append(spans[v], s)
		}
	}
	var all []*request
	for v, ss := range spans {
		slices.SortFunc(ss, func(a, b span) int {
			return cmp.Or(cmp.Compare(t.inherited(a, ss), t.inherited(b, ss)), cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to), cmp.Compare(a.track.goid, b.track.goid))
		})
		r := &request{id: v, main: ss[0].track, from: ss[0].from, to: ss[0].to}
		for _, s := range ss[1:] {
			r.kids = append(r.kids, s.track)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *request) int { return cmp.Compare(a.id, b.id) })
	return all
}

// labelled is where a goroutine has which value of a label.
func (t *timeline) labelled(g *track, key string) map[string]span {
	found := map[string]span{}
	for i := range g.pieces {
		p := &g.pieces[i]
		v := t.labels[p.labels][key]
		if v == "" {
			continue
		}
		s, ok := found[v]
		if !ok {
			s = span{track: g, from: p.from, to: p.to}
		}
		s.to = p.to
		found[v] = s
	}
	return found
}

// inherited is 0 for a goroutine that had a life before it had the label, 1 for one whose parent is
// not among those with the same label, else 2.
func (t *timeline) inherited(s span, all []span) int {
	if s.track.pieces[0].from < s.from {
		return 0
	}
	if s.track.parent == 0 || slices.ContainsFunc(all, func(o span) bool { return o.track.goid == s.track.parent }) {
		return 2
	}
	return 1
}

// byCall finds the requests that are recorded calls of one of the functions. One so short that no look
// saw its goroutine counts all the same; where its time went is not known.
func (t *timeline) byCall(functions []string) []*request {
	var all []*request
	for _, c := range t.calls {
		if !names.Match(t.funcs[c.fn].name, functions) {
			continue
		}
		g := t.byID[c.goid]
		if g == nil {
			g = &track{goid: c.goid, pieces: []piece{{from: c.from, to: c.to, kind: unknown, stack: t.nothing, guess: true}}}
		}
		all = append(all, &request{main: g, from: c.from, to: c.to, exact: true})
	}
	return all
}

// byFunction finds the stretches of goroutines' lives in which a function is on the stack. A kept
// connection handles one request after the other: in between it is idle, or the value of a label that
// has many values changes.
func (t *timeline) byFunction(functions []string) []*request {
	inside, unwalked := make([]bool, len(t.stacks)), make([]bool, len(t.stacks))
	for i := range t.stacks {
		inside[i], unwalked[i] = t.has(&t.stacks[i], functions), t.has(&t.stacks[i], []string{"[unwalked]"})
	}
	keys := t.identifying()
	var all []*request
	for _, g := range t.tracks {
		var open *request
		labels := int32(0)
		for i := range g.pieces {
			p := &g.pieces[i]
			in, stale := inside[p.stack], p.stale() || unwalked[p.stack]
			switch {
			case open == nil && !in, open != nil && !in && stale && p.length() < bridge && !t.differ(labels, p.labels, keys):
				continue // a stale piece is part of the request if the function comes back
			case !in:
				open, labels = nil, 0
				continue
			case open == nil || t.differ(labels, p.labels, keys):
				open, labels = &request{main: g, from: p.from}, 0
				all = append(all, open)
			}
			open.to = p.to
			if p.labels != 0 {
				labels = p.labels
			}
		}
	}
	return all
}

// stale says whether a piece's stack may be of an earlier moment, or of none.
func (p *piece) stale() bool {
	return p.guess || p.kind == cpu || p.kind == gc || p.kind == goScheduler || p.kind == osScheduler || p.kind == stopped || p.kind == syscall
}

// identifying are the labels that tell requests apart.
func (t *timeline) identifying() []string {
	values := map[string]map[string]bool{}
	for _, set := range t.labels {
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
func (t *timeline) differ(a, b int32, keys []string) bool {
	if a == b || a == 0 || b == 0 {
		return false
	}
	return slices.ContainsFunc(keys, func(k string) bool {
		x, y := t.labels[a][k], t.labels[b][k]
		return x != "" && y != "" && x != y
	})
}

// byGoroutine finds the goroutines that start in a function.
func (t *timeline) byGoroutine(name string) []*request {
	var all []*request
	for _, g := range t.tracks {
		if slices.ContainsFunc(g.pieces, func(p piece) bool { return !p.guess && t.root(p.stack) == name }) {
			all = append(all, &request{main: g, from: g.pieces[0].from, to: g.pieces[len(g.pieces)-1].to})
		}
	}
	return all
}

// root is the function that a goroutine was started with.
func (t *timeline) root(stack int32) string {
	frames := t.stacks[stack].frames
	for i := len(frames) - 1; i >= 0; i-- {
		if name := t.funcs[frames[i].fn].name; !names.Match(name, names.Goexit) {
			return name
		}
	}
	return ""
}

// adopt adds the goroutines that a request started, and those that they started.
func (t *timeline) adopt(all []*request) {
	byParent := map[int64][]*track{}
	for _, g := range t.tracks {
		if g.parent != 0 {
			byParent[g.parent] = append(byParent[g.parent], g)
		}
	}
	for _, r := range all {
		known := map[*track]bool{r.main: true}
		for _, k := range r.kids {
			known[k] = true
		}
		for todo := append([]*track{r.main}, r.kids...); len(todo) > 0; todo = todo[1:] {
			for _, k := range byParent[todo[0].goid] {
				if born := k.pieces[0].from; !known[k] && born >= r.from && born < r.to {
					known[k] = true
					r.kids = append(r.kids, k)
					todo = append(todo, k)
				}
			}
		}
	}
}
