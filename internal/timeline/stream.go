package timeline

import (
	"cmp"
	"slices"
	"strings"
)

// A trace has each flush of an answer, and the moment in which a handler takes its connection over. Scans miss most of
// them: both take microseconds. But a handler that was seen to flush again and again does so for everybody, and one that
// took its connection over waits on it without net/http in between.

// markStreams finds the requests without an end of their own among those that scans saw.
func (t *Timeline) markStreams(all []*Request) {
	flushed := make([]int, len(all))
	ahead := t.readAhead()
	for i, r := range all {
		was := marks(0)
		r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) {
			m := t.Stacks[p.Stack].marks
			r.Stream = r.Stream || m&streams != 0 || t.takenOver(p) && !overlaps(ahead[r.Main.Goid], p)
			if m&flushes > was {
				flushed[i]++
			}
			was = m & flushes
		})
		r.Stream = r.Stream || flushed[i] >= severalFlushes
	}
	if fns := t.flushers(all, flushed); len(fns) > 0 {
		t.markThoseIn(fns, all, flushed)
	}
	t.markLoops(all)
}

// loop is what was seen of requests that wait at one place: of how many, of how many of them that they flushed after it and waited there
// again, and how often.
type loop struct{ requests, seen, again int }

// markLoops marks the requests that wait where requests wait, flush and wait again: each flush is seen by chance, so no request need be
// seen to flush several times.
func (t *Timeline) markLoops(all []*Request) {
	loops := map[int32]*loop{}
	for _, r := range all {
		for wait, again := range t.loopsOf(r) {
			l := loops[wait]
			if l == nil {
				l = &loop{}
				loops[wait] = l
			}
			l.requests++
			l.seen += min(again, 1)
			l.again += again
		}
	}
	for wait, l := range loops {
		if l.seen < 2 || l.again < severalFlushes || 5*l.seen < l.requests {
			delete(loops, wait)
		}
	}
	for _, r := range all {
		if len(loops) > 0 && !r.Stream {
			r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) { r.Stream = r.Stream || p.Waits() && loops[p.Stack] != nil })
		}
	}
}

// loopsOf is where a request waits, and how often it was seen to flush between two waits there.
func (t *Timeline) loopsOf(r *Request) map[int32]int {
	again := map[int32]int{}
	last, flushed := int32(-1), false
	r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) {
		switch {
		case t.Stacks[p.Stack].marks&flushes != 0:
			flushed = true
		case p.Waits() && !p.Guess && t.Stacks[p.Stack].marks&handles != 0:
			n := again[p.Stack]
			if flushed && p.Stack == last {
				n++
			}
			again[p.Stack], last, flushed = n, p.Stack, false
		}
	})
	return again
}

// flushers are the program's functions that flush, where that was seen several times of one request.
func (t *Timeline) flushers(all []*Request, flushed []int) map[int32]bool {
	fns := map[int32]bool{}
	for i, r := range all {
		if flushed[i] < severalFlushes {
			continue
		}
		r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) {
			s := &t.Stacks[p.Stack]
			if s.marks&flushes == 0 {
				return
			}
			for _, f := range s.Frames {
				if t.Funcs[f.Fn].App {
					fns[f.Fn] = true
				}
			}
		})
	}
	return fns
}

// markThoseIn marks the requests in one of some functions if as many of those in it as not were seen to flush: what is around
// handlers of all kinds is around those that do not, too.
func (t *Timeline) markThoseIn(fns map[int32]bool, all []*Request, flushed []int) {
	in := make([]map[int32]bool, len(all))
	requests, seen := map[int32]int{}, map[int32]int{}
	for i, r := range all {
		in[i] = t.which(fns, r)
		for fn := range in[i] {
			requests[fn]++
			seen[fn] += min(flushed[i], 1)
		}
	}
	for i, r := range all {
		for fn := range in[i] {
			r.Stream = r.Stream || 2*seen[fn] >= requests[fn]
		}
	}
}

// which of some functions a request is in. Each of its stacks is looked at once.
func (t *Timeline) which(fns map[int32]bool, r *Request) map[int32]bool {
	in, stacks := map[int32]bool{}, map[int32]bool{}
	r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) {
		if stacks[p.Stack] {
			return
		}
		stacks[p.Stack] = true
		for _, f := range t.Stacks[p.Stack].Frames {
			if fns[f.Fn] {
				in[f.Fn] = true
			}
		}
	})
	return in
}

// takenOver says whether a handler waits for its client without net/http, which neither reads a request's body nor sends an answer.
func (t *Timeline) takenOver(p *Piece) bool {
	return p.Kind == Network && t.Stacks[p.Stack].marks&(handles|keeps|exchanges) == handles|keeps &&
		strings.HasPrefix(t.States[p.State].Peer, "client ")
}

// readAhead is when net/http looks, for which goroutine, whether the client goes away: it stops that before a connection is taken
// over, so who waits for a client meanwhile waits for another one.
func (t *Timeline) readAhead() map[int64][]Span {
	spans := map[int64][]Span{}
	for _, g := range t.Tracks {
		for i := range g.Pieces {
			if p := &g.Pieces[i]; g.Parent != 0 && t.Stacks[p.Stack].marks&readsAhead != 0 {
				spans[g.Parent] = append(spans[g.Parent], Span{Track: g, From: p.From, To: p.To})
			}
		}
	}
	for _, s := range spans {
		slices.SortFunc(s, func(a, b Span) int { return cmp.Compare(a.To, b.To) })
	}
	return spans
}

// overlaps says whether one of some spans, which do not overlap each other, overlaps a piece.
func overlaps(spans []Span, p *Piece) bool {
	i, _ := slices.BinarySearchFunc(spans, p.From+1, func(s Span, at int64) int { return cmp.Compare(s.To, at) })
	return i < len(spans) && spans[i].From < p.To
}
