package blame

import (
	"slices"

	"cmp"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// followWaker charges a wait to what the goroutine did in it that acts when it ends.
func (b *Blamer) followWaker(p *timeline.Piece, s timeline.Span, via route, out func(Atom)) bool {
	w := b.wakerOf(b.keyOf(p))
	if w.constant {
		a := b.plain(p, s, via)
		a.Kind, a.Proof, a.Trust = timeline.Timer, Guessed, a.Trust*wakerTrust
		out(a)
		return true
	}
	u := b.actorAt(w.root, s)
	if u == nil || slices.Contains(b.path, u) {
		return false
	}
	via = b.viaStack(via, Link{p.Kind, b.Place(p.Stack), WaitsFor}, p.Stack, Guessed, wakerTrust)
	at := b.placeOf(u, s)
	if w.periodic {
		a := b.plain(p, s, via)
		a.Kind, a.At, a.Where, a.State = timeline.Timer, at, -1, -1
		out(a)
		return true
	}
	via.wait, via.of = p, s.Track
	t := turn{kind: timeline.Channel, at: at, where: -1, limit: b.workers(w.root)}
	if p.Kind == timeline.Children {
		t.long = true // what it does is the cause, not that it does it alone
	}
	b.followTrack(nil, timeline.Span{Track: u, From: s.From, To: s.To}, b.via(via, Link{timeline.Channel, at, HeldBy}, Guessed, 1),
		func(a Atom) {
			out(b.verdict(t, a))
		})
	return true
}

// followPartner charges a wait for one channel to what the goroutine did in it that is at the other end: of several
// that which did something nearest to the wait's end.
func (b *Blamer) followPartner(p *timeline.Piece, s timeline.Span, via route, out func(Atom)) bool {
	if p.Kind != timeline.Channel {
		return false
	}
	var all []*timeline.Track
	for _, o := range b.Objects[p.On] {
		if o.Kind == sample.Chan {
			all = append(all, b.partners(o)...)
		}
	}
	all = slices.DeleteFunc(all, func(g *timeline.Track) bool {
		return g == s.Track || slices.Contains(b.path, g) || !g.Alive(s.From, s.To)
	})
	if len(all) == 0 || len(all) > fewPartners {
		return false
	}
	u := b.nearest(all, b.endOf(p, s.Track))
	if u == nil {
		return false
	}
	at := b.placeOf(u, s)
	via = b.viaStack(via, Link{p.Kind, b.Place(p.Stack), WaitsFor}, p.Stack, Read, partnerTrust)
	via.wait, via.of = p, s.Track
	t := turn{kind: timeline.Channel, at: at, where: -1, limit: len(all)}
	b.followTrack(nil, timeline.Span{Track: u, From: s.From, To: s.To}, b.via(via, Link{timeline.Channel, at, HeldBy}, Read, 1), func(a Atom) {
		out(b.verdict(t, a))
	})
	return true
}

// nearest is the goroutine that did something nearest to a time, nil if none did.
func (b *Blamer) nearest(all []*timeline.Track, at int64) (best *timeline.Track) {
	off := timeline.Near
	for _, g := range all {
		i, _ := slices.BinarySearchFunc(g.Pieces, at-timeline.Near, func(p timeline.Piece, at int64) int { return cmp.Compare(p.To, at) })
		for ; i < len(g.Pieces) && g.Pieces[i].From <= at+timeline.Near; i++ {
			if d := min(abs(g.Pieces[i].From-at), abs(g.Pieces[i].To-at)); d < off {
				best, off = g, d
			}
		}
	}
	return best
}
