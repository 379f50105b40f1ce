package blame

import "github.com/mayfly-profiler/mayfly/internal/timeline"

// Where pieces say who ended them, nothing need be guessed. A wait is explained by what the goroutine that
// ended it did within the wait, and nothing before: the plain critical path, which goes on to the past of
// whoever ended the last wait, comes out at the client that sent the request, whatever was slow.
//
// Three waits look alike: for somebody who works for the request (a passage), for a place in a queue whose
// places others have, one after the other, and for a server's next input. What the others do is charged to
// the first as it is, to the second as the resource's (verdict), and of the third only what the input
// itself waits for.

// followEdge charges a wait to what the goroutine did that ended it, false if there is none or the wait
// is one for the outside, whoever noticed its end: the network poller often runs in the context of some
// goroutine.
func (b *Blamer) followEdge(p *timeline.Piece, r *timeline.Request, s timeline.Span, via route, out func(Atom)) bool {
	if b.Stacks[p.Stack].Idle() && via.wait != nil {
		out(b.arrival(s, via))
		return true
	}
	u := b.ByID[p.By]
	if p.By <= 0 || u == nil || !waits(p.Kind) || b.polls(p) || b.States[p.State].Name == "sleep" || b.ofTimer(u, s) {
		return false
	}
	next := via
	next.wait, next.of = p, s.Track
	next = b.viaStack(next, Link{p.Kind, b.Place(p.Stack), WaitsFor}, p.Stack, Observed, 1)
	by := timeline.Span{Track: u, From: s.From, To: s.To}
	if k := b.queues(p, r, s); k != timeline.Unknown || b.joins(p) {
		b.followTurns(p, timeline.Span{Track: u, From: s.From, To: s.To}, k, next, out)
		return true
	}
	if at := b.Place(p.ByStack); at.Fn >= 0 && b.Funcs[at.Fn].App && at.Fn != b.Place(p.Stack).Fn {
		next = b.viaStack(next, Link{p.Kind, at, WokenBy}, p.ByStack, Observed, 1)
	}
	b.followTrack(r, by, next, out)
	return true
}

// ofTimer says whether a goroutine was started within a stretch of time, and by no other: the runtime starts one
// for a time.AfterFunc that is due, as contexts with a deadline have it.
func (b *Blamer) ofTimer(u *timeline.Track, s timeline.Span) bool {
	return u.Parent <= 0 && u.Pieces[0].From > s.From && u.Pieces[0].From <= s.To
}

// arrival is the time that a server's goroutine, which ended a wait of another, had nothing to do: that
// other waited for input. If a timer ends that wait at times, it is what is waited for.
func (b *Blamer) arrival(s timeline.Span, via route) Atom {
	a := b.plain(via.wait, s, via)
	if b.isTimed(via.of, via.wait.Stack) {
		a.Kind = timeline.Timer
	}
	return a
}

// followTurns charges a wait in a queue to what those did, one after the other, who had what it is for: on
// meeting a wait for the same in the past of the last, it goes on to who ended that one. Those who join a call are
// let go one by one too, but nothing is theirs (Unknown).
func (b *Blamer) followTurns(p *timeline.Piece, s timeline.Span, k timeline.Kind, via route, out func(Atom)) {
	via.queue = b.keyOf(p)
	limit := b.limitOf(p, via.of, k)
	for by := p.ByStack; ; {
		w := b.sameWait(s, via.queue)
		mine := s
		if w != nil {
			mine.From = w.To
		}
		at, where := b.holder(p, by)
		t := turn{kind: k, at: at, where: where, limit: limit}
		if k == timeline.Unknown {
			b.followTrack(nil, mine, via, out)
		} else {
			b.followTrack(nil, mine, b.viaStack(via, Link{k, at, HeldBy}, where, Observed, 1), func(a Atom) { out(b.verdict(b.slowPeer(t, a), a)) })
		}
		if w == nil {
			return
		}
		next := b.ByID[w.By]
		if next == nil || w.To >= s.To && next == s.Track || b.steps > mostSteps {
			a := b.plain(p, timeline.Span{From: s.From, To: w.To}, via)
			a.Kind, a.Limit = k, limit
			out(a)
			return
		}
		by = w.ByStack
		s.Track, s.To = next, w.To
	}
}

// holder is the application's function that let the waiter go, the waiter's own if that is the same one, or
// the application has none there, and the stack that it is on.
func (b *Blamer) holder(p *timeline.Piece, by int32) (timeline.Frame, int32) {
	asks, gives := b.Place(p.Stack), b.Place(by)
	if b.Stacks[by].App < 0 || b.family(asks) == b.family(gives) {
		return asks, p.Stack
	}
	return gives, by
}

// limitOf is how many are let in at once where a piece waits, 0 if that is not known.
func (b *Blamer) limitOf(p *timeline.Piece, g *timeline.Track, k timeline.Kind) int {
	s := timeline.Span{Track: g, From: p.From, To: p.To}
	switch members := b.members(p, s); {
	case k == timeline.Lock:
		return 1
	case k == timeline.Channel:
		return b.workers(b.rootOf(b.ByID[p.By]))
	case len(members) > 0:
		return atOnce(members, s)
	}
	if r := b.resource(p, p.Kind); r != nil {
		return r.limit
	}
	return 0
}

// sameWait is the last wait for the same in a stretch of a goroutine's life, nil without one.
func (b *Blamer) sameWait(s timeline.Span, k resourceKey) (last *timeline.Piece) {
	s.Track.During(s.From, s.To, func(p *timeline.Piece, _, to int64) {
		b.steps++
		if p.Kind == k.kind && p.By > 0 && p.To <= s.To && b.keyOf(p) == k {
			last = p
		}
	})
	return last
}

// stretched is how many times as long as short ones long waits for a peer are, where it is the peer that is slow,
// and not the number of connections to it that is small.
const stretched = 2.5

// slowPeer marks a turn as long if its holder waits for a peer that queues itself: its answers take longer
// the more it is asked. With more places it would be asked more.
func (b *Blamer) slowPeer(t turn, a Atom) turn {
	t.long = a.Kind == timeline.Network && (t.kind == timeline.Pool || t.kind == timeline.Limit) && b.spreadOf(a.Where) > stretched
	return t
}
