package timeline

import (
	"slices"
	"strings"
)

// A request of half a millisecond is over before a scan, and the labels near it may be those of the one before. But its handler may
// be on its stacks in the trace: what others with that handler are labelled, nearly all of them, it is. A handler that neither
// waited nor was sampled is on none: then the labels are unknown, which is not the same as none.

const (
	// teachers are at least so many requests whose labels were seen,
	teachers = 3
	// bare are so many requests with a handler, none of which was ever seen with labels, that it has none,
	bare = 10
	// agreed is the share of them that have the same.
	agreed = 0.9
	// seenScans is how long a request is of which a scan has seen the labels, in scans.
	seenScans = 3
)

// learner knows which functions have which labels.
type learner struct {
	*labeller
	general map[int32]int32         // label sets without what tells requests apart
	seen    map[int32]map[int32]int // label sets of requests with a function
	without map[int32]int           // requests with a function that were seen inside it, and without labels
	answers map[int32]lesson        // what was learnt of a function
	buf     []int32                 // functions of the request at hand
	stamp   []int32
	turn    int32
}

type lesson struct {
	labels int32
	count  int
}

// learn gives requests whose labels no scan can have seen those of others with the same handler.
func (t *labeller) learn(all []*Request) {
	if t.Scans <= 0 || len(t.Labels) < 2 {
		return
	}
	l := &learner{labeller: t, general: make(map[int32]int32), seen: make(map[int32]map[int32]int), without: make(map[int32]int),
		answers: make(map[int32]lesson), stamp: make([]int32, len(t.Funcs))}
	keys := t.ids.Keys()
	short := int64(seenScans * 1e9 / t.Scans)
	var unsure []*Request
	for _, r := range all {
		switch {
		case r.Labels != 0 && (r.Length() >= short || r.seen):
			l.teach(r, l.generalOf(r.Labels, keys))
		case r.Labels != 0 || t.handling(r) < short || r.unwatched():
			unsure = append(unsure, r)
			l.miss(r)
		}
	}
	l.conclude()
	for _, r := range unsure {
		found := l.ask(r)
		r.Labels, r.Learnt = found.labels, found.count > 0
		r.Unknown = !r.Learnt && !slices.ContainsFunc(l.functions(r), l.isBare)
	}
}

// unwatched says whether no moment of a request was seen by the recording that has the labels: a trace may be longer, and have goroutines
// that no scan came upon.
func (r *Request) unwatched() bool {
	watched := false
	r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) { watched = watched || !p.Unseen })
	return !watched
}

// handling is how long a request surely was in its handler, or all of its length if it is none of a server.
func (t *Timeline) handling(r *Request) (ns int64) {
	served := marks(0)
	r.Main.During(r.From, r.To, func(p *Piece, from, to int64) {
		m := t.Stacks[p.Stack].marks
		if served |= m & (handles | keeps); m&handles != 0 {
			ns += to - from
		}
	})
	if served == 0 {
		return r.Length()
	}
	return ns
}

// generalOf is a label set without the keys that tell requests apart.
func (l *learner) generalOf(labels int32, keys []string) int32 {
	id, ok := l.general[labels]
	if ok {
		return id
	}
	set := map[string]string{}
	for k, v := range l.Labels[labels] {
		set[k] = v
	}
	for _, k := range keys {
		delete(set, k)
	}
	id = l.add(set)
	l.general[labels] = id
	return id
}

func (l *learner) teach(r *Request, labels int32) {
	for _, fn := range l.functions(r) {
		if l.seen[fn] == nil {
			l.seen[fn] = make(map[int32]int)
		}
		l.seen[fn][labels]++
	}
}

// miss counts a request that was seen without labels.
func (l *learner) miss(r *Request) {
	seen := false
	r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) {
		seen = seen || p.Labels == 0 && !p.Unseen && l.Stacks[p.Stack].marks&handles != 0
	})
	if r.Labels != 0 || !seen {
		return
	}
	for _, fn := range l.functions(r) {
		l.without[fn]++
	}
}

// isBare says whether a function is one of a handler without labels.
func (l *learner) isBare(fn int32) bool { return l.seen[fn] == nil && l.without[fn] >= bare }

// conclude keeps the functions whose requests agree.
func (l *learner) conclude() {
	for fn, sets := range l.seen {
		all, best := 0, lesson{}
		for labels, n := range sets {
			if all += n; n > best.count || n == best.count && labels < best.labels {
				best = lesson{labels, n}
			}
		}
		if all >= teachers && float64(best.count) >= agreed*float64(all) && len(l.Labels[best.labels]) > 0 {
			l.answers[fn] = best
		}
	}
}

// ask is what the function of a request that most others have says.
func (l *learner) ask(r *Request) (best lesson) {
	for _, fn := range l.functions(r) {
		if a := l.answers[fn]; a.count > best.count || a.count == best.count && a.count > 0 && a.labels < best.labels {
			best = a
		}
	}
	return best
}

// functions are those of the program and of its dependencies that were on a request's stacks.
func (l *learner) functions(r *Request) []int32 {
	l.turn++
	l.buf = l.buf[:0]
	r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) {
		for _, f := range l.Stacks[p.Stack].Frames {
			if l.stamp[f.Fn] == l.turn {
				continue
			}
			l.stamp[f.Fn] = l.turn
			if fn := &l.Funcs[f.Fn]; fn.App || strings.Contains(fn.Pkg, ".") {
				l.buf = append(l.buf, f.Fn)
			}
		}
	})
	return l.buf
}
