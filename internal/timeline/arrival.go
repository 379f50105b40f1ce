package timeline

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A goroutine that waits for its socket is woken when the runtime looks at the network. While all Ps are busy that is later than when
// something came in, and a request that came in then waits already: for a P, as those do that are runnable. A recording by eBPF knows
// when what was read had come in.

func (t *Timeline) sortArrivals() {
	for _, all := range t.arrivals {
		slices.SortFunc(all, func(a, b sample.Arrival) int { return cmp.Compare(a.Came, b.Came) })
	}
}

// cutUnread cuts the waits of connections' goroutines for what comes in, where it is known when it did.
func (b *Builder) cutUnread() {
	if len(b.arrivals) == 0 {
		return
	}
	state := b.State(readable)
	var out []Piece
	for _, g := range b.Tracks {
		if all := b.arrivals[g.Goid]; len(all) > 0 {
			out = b.cutWaits(out[:0], g.Pieces, all, state)
			g.Pieces = b.renew(g.Pieces, out)
		}
	}
}

func (b *Builder) cutWaits(out, pieces []Piece, all []sample.Arrival, state int32) []Piece {
	for _, p := range pieces {
		if p.Kind != Network || !b.Stacks[p.Stack].Idle() {
			out = append(out, p)
			continue
		}
		i, _ := slices.BinarySearchFunc(all, p.To, func(a sample.Arrival, at int64) int { return cmp.Compare(a.Came, at) })
		if i == 0 || all[i-1].Read <= p.From {
			out = append(out, p)
			continue
		}
		wait, rest := p, p
		wait.To = max(all[i-1].Came, p.From)
		if wait.By != 0 {
			wait.By, wait.ByStack = Runtime, b.Nothing
		}
		rest.From, rest.By, rest.ByStack = wait.To, 0, b.Nothing
		rest.State, rest.Kind = state, GoScheduler
		if wait.To > wait.From {
			out = append(out, wait)
		}
		out = append(out, rest)
	}
	return out
}

// cameFor is when what a goroutine reads in a piece had come in, the piece's begin if it is not known.
func (t *Timeline) cameFor(g *Track, p *Piece) int64 {
	all := t.arrivals[g.Goid]
	i, _ := slices.BinarySearchFunc(all, p.From, func(a sample.Arrival, at int64) int { return cmp.Compare(a.Came, at) })
	if i > 0 && all[i-1].Read >= p.From {
		return all[i-1].Came
	}
	return p.From
}

// callsCame begins calls when they came in, of those for which their connection's goroutine was woken the first: nothing is known of
// when the others did.
func (b *Builder) callsCame() {
	type wake struct {
		parent *Track
		at     int
	}
	first := make(map[wake]*Track)
	for _, g := range b.Tracks {
		parent, p := b.ByID[g.Parent], &g.Pieces[0]
		if parent == nil || parent == g || p.Kind != GoScheduler || !b.PerCall(p.Stack) {
			continue
		}
		i, is := slices.BinarySearchFunc(parent.Pieces, p.From, func(q Piece, at int64) int { return cmp.Compare(q.To, at) })
		if !is || !b.unread(&parent.Pieces[i]) {
			continue
		}
		k := wake{parent, i}
		if f := first[k]; f == nil || p.To < f.Pieces[0].To {
			first[k] = g
		}
	}
	for k, g := range first {
		g.Pieces[0].From = k.parent.Pieces[k.at].From
	}
}
