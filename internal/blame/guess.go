package blame

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// guess charges a wait whose end nobody saw to what was waited for, by code and time, if that is known.
// Nobody is on the path who did nothing at the wait's end.
func (b *Blamer) guess(p *timeline.Piece, r *timeline.Request, s timeline.Span, via route, out func(Atom)) bool {
	if b.timer(p, s) {
		a := b.plain(p, s, via)
		a.Kind, a.Proof, a.Trust = timeline.Timer, max(a.Proof, Read), a.Trust*timerTrust
		out(a)
		return true
	}
	if p.Kind != timeline.Lock && p.Kind != timeline.Limit {
		if k := b.kids(p, r, s); len(k) > 0 {
			b.followKids(k, r, s, b.viaStack(via, Link{timeline.Children, b.Place(p.Stack), Started}, p.Stack, Read, kidTrust), out)
			return true
		}
	}
	if b.joins(p) {
		return b.followJoined(p, s, via, out)
	}
	if p.Kind == timeline.Children {
		return b.followWaker(p, s, via, out) || b.followCall(p, b.besides(p), s, via, out)
	}
	if p.Kind == timeline.Channel && via.wait != nil {
		return false // a server that has nothing to do waits for input, its own or that of others
	}
	if k := b.members(p, s); len(k) > 0 {
		b.followMembers(p, k, s, via, out)
		return true
	}
	if b.followPartner(p, s, via, out) {
		return true
	}
	res := b.resource(p, p.Kind)
	if res == nil {
		return false
	}
	if p.Kind == timeline.Channel && res.trust < limitTrust && b.followWaker(p, s, via, out) {
		return true
	}
	if len(res.spans) == 0 {
		return false
	}
	b.followHolders(res, s, b.viaStack(via, Link{res.as, b.Place(p.Stack), WaitsFor}, p.Stack, res.proof, res.trust), out)
	return true
}

// helped charges a wait for the outside to the goroutines that the request started to do the talking, if there
// are such: for names, connections and handshakes.
func (b *Blamer) helped(p *timeline.Piece, r *timeline.Request, s timeline.Span, via route, out func(Atom)) bool {
	k := b.kids(p, r, s)
	if len(k) == 0 {
		return false
	}
	b.followKids(k, r, s, b.viaStack(via, Link{p.Kind, b.Place(p.Stack), WaitsFor}, p.Stack, Read, kidTrust), out)
	return true
}

// ended says whether a goroutine ended, or did something, just when a wait did.
func ended(g *timeline.Track, s timeline.Span) bool {
	last := g.Pieces[len(g.Pieces)-1].To
	if last <= s.To+timeline.Near {
		return true // before, too: it may be one of several that were waited for
	}
	i, _ := slices.BinarySearchFunc(g.Pieces, s.To-timeline.Near, func(p timeline.Piece, at int64) int { return cmp.Compare(p.To, at) })
	for ; i < len(g.Pieces) && g.Pieces[i].From < s.To+timeline.Near; i++ {
		if p := &g.Pieces[i]; p.Kind == timeline.CPU || p.To < s.To+timeline.Near {
			return true
		}
	}
	return false
}

// kids is the request's goroutines that were at work in a wait, those that ended last first. A wait for
// a channel is one for them only if one of them did something just when it ended.
func (b *Blamer) kids(p *timeline.Piece, r *timeline.Request, s timeline.Span) []*timeline.Track {
	if r == nil {
		return nil
	}
	var kids []*timeline.Track
	ends := p.Kind == timeline.Children
	for _, k := range r.Kids {
		if k == s.Track || slices.Contains(b.path, k) || !k.Alive(s.From, s.To) || b.Beside(k.Pieces[0].Stack) || b.isBeside(k) || !ended(k, s) {
			continue
		}
		kids = append(kids, k)
		end := k.Pieces[len(k.Pieces)-1].To
		ends = ends || end > s.To-timeline.Near && end < s.To+timeline.Near
	}
	if !ends {
		return nil
	}
	slices.SortStableFunc(kids, func(a, b *timeline.Track) int {
		return cmp.Compare(min(b.Pieces[len(b.Pieces)-1].To, s.To), min(a.Pieces[len(a.Pieces)-1].To, s.To))
	})
	return kids
}

// followMembers shares a wait for a place among the goroutines of the group.
func (b *Blamer) followMembers(p *timeline.Piece, spans []timeline.Span, s timeline.Span, via route, out func(Atom)) {
	res := &resource{as: timeline.Limit, app: b.Place(p.Stack), limit: atOnce(spans, s)}
	b.share(res, spans, s, b.viaStack(via, Link{res.as, res.app, WaitsFor}, p.Stack, Read, kidTrust), out)
}

// followKids walks back from the end of a wait: the child that ended last made it wait, and before
// that one was born, the one that ended last before.
func (b *Blamer) followKids(kids []*timeline.Track, r *timeline.Request, s timeline.Span, via route, out func(Atom)) {
	end := s.To
	for _, k := range kids {
		born, died := max(k.Pieces[0].From, s.From), min(k.Pieces[len(k.Pieces)-1].To, end)
		if born >= end || died <= born {
			continue
		}
		if died < end { // between its end and the wake-up there is nothing but the scheduler
			b.queueForP(timeline.Span{From: died, To: end}, via, out)
		}
		b.followTrack(r, timeline.Span{Track: k, From: born, To: died}, via, out)
		if end = born; end <= s.From {
			return
		}
	}
	if end > s.From {
		b.queueForP(timeline.Span{From: s.From, To: end}, via, out)
	}
}

// followJoined charges a wait for a call that another request makes to what the one does that makes it: of
// those in such a call the one that comes out of it when the wait ends.
func (b *Blamer) followJoined(p *timeline.Piece, s timeline.Span, via route, out func(Atom)) bool {
	return b.followCall(p, b.calls(b.Stacks[p.Stack].For.By), s, via, out)
}

// followCall charges a wait to the one of some calls that ends when it does.
func (b *Blamer) followCall(p *timeline.Piece, calls []timeline.Span, s timeline.Span, via route, out func(Atom)) bool {
	var owner timeline.Span
	best := timeline.Near + 1
	for _, c := range calls {
		if c.Track == s.Track || c.From >= s.To || c.To <= s.From || slices.Contains(b.path, c.Track) {
			continue
		}
		late := abs(c.To - s.To)
		if late >= timeline.Near && actsAt(c.Track, s.To) {
			late = timeline.Near // it goes on to the next, after this
		}
		if late < best {
			owner, best = c, late
		}
	}
	if owner.Track == nil {
		return false
	}
	at := timeline.Span{Track: owner.Track, From: max(owner.From, s.From), To: min(owner.To, s.To)}
	via = b.viaStack(via, Link{timeline.Children, b.Place(p.Stack), Joins}, p.Stack, Guessed, codeTrust)
	b.followTrack(nil, at, via, out)
	if rest := s.To - s.From - (at.To - at.From); rest > 0 {
		b.queueForP(timeline.Span{From: s.To - rest, To: s.To}, via, out)
	}
	return true
}

// actsAt says whether a goroutine's state changed around a time.
func actsAt(g *timeline.Track, at int64) bool {
	i, _ := slices.BinarySearchFunc(g.Pieces, at-actNear, func(p timeline.Piece, at int64) int { return cmp.Compare(p.To, at) })
	return i < len(g.Pieces) && g.Pieces[i].To <= at+actNear
}

// followHolders shares a wait among those who held the resource meanwhile.
func (b *Blamer) followHolders(res *resource, s timeline.Span, via route, out func(Atom)) {
	var holds []timeline.Span
	b.between(res, s.From, s.To, func(h timeline.Span) {
		if h.Track != s.Track && !slices.Contains(b.path, h.Track) {
			holds = append(holds, h)
		}
	})
	b.share(res, holds, s, via, out)
}

// share shares a wait among those who hold what it is for.
func (b *Blamer) share(res *resource, holds []timeline.Span, s timeline.Span, via route, out func(Atom)) {
	unheld := Atom{Kind: res.as, At: res.app, State: -1, Where: via.where, Chain: via.chain, Limit: res.limit,
		Proof: via.proof, Trust: via.trust}
	b.sweep(holds, s, func(active []timeline.Span, from, to int64) {
		if len(active) == 0 {
			unheld.NS = float64(to - from)
			out(unheld)
			return
		}
		active = b.some(active)
		for _, h := range active {
			share := 1 / float64(len(active))
			t := turn{kind: res.as, at: b.name(res, h), where: -1, limit: res.limit}
			if t.at.Fn == res.app.Fn {
				t.where = via.where
			}
			t.long = res.kind == timeline.Pool && h.To-h.From > 5*max(res.usual, 5e6)
			held := b.via(via, Link{res.as, t.at, HeldBy}, via.proof, 1)
			b.followTrack(nil, timeline.Span{Track: h.Track, From: from, To: to}, held, func(a Atom) {
				a.NS *= share
				out(b.verdict(t, a))
			})
		}
	})
}

// fewHolders is how many holders at once are all followed.
const fewHolders = 4

// some is all holders near the request, if they are few. Of many, and behind those, one stands for the others,
// another each time: what waits for what waits would otherwise grow without bound.
func (b *Blamer) some(active []timeline.Span) []timeline.Span {
	if len(b.path) < 2 && len(active) <= fewHolders {
		return active
	}
	b.turn++
	i := b.turn % len(active)
	return active[i : i+1]
}

// sweep calls visit for the stretches of a wait between which the holders do not change.
func (b *Blamer) sweep(holds []timeline.Span, s timeline.Span, visit func(active []timeline.Span, from, to int64)) {
	slices.SortStableFunc(holds, func(a, b timeline.Span) int { return cmp.Compare(a.From, b.From) })
	var active []timeline.Span
	at, next := s.From, 0
	for at < s.To {
		active = slices.DeleteFunc(active, func(h timeline.Span) bool { return h.To <= at })
		for ; next < len(holds) && holds[next].From <= at; next++ {
			if holds[next].To > at {
				active = append(active, holds[next])
			}
		}
		end := s.To
		if next < len(holds) {
			end = min(end, holds[next].From)
		}
		for _, h := range active {
			end = min(end, h.To)
		}
		visit(active, at, end)
		at = end
	}
}

// name is the application's function that a holder is in, else the one that asks for the resource.
func (b *Blamer) name(res *resource, h timeline.Span) timeline.Frame {
	if h.Fn != res.app.Fn && b.Funcs[h.Fn].App {
		return timeline.Frame{Fn: h.Fn}
	}
	return res.app
}
