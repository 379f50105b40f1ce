package report

import (
	"cmp"
	"slices"
)

const (
	// near is how far an on-CPU sample may be from a hole and still say what the goroutine did in it.
	near = int64(5e6)
	// dense is how close on-CPU samples are while a goroutine stays on a CPU, at 1 kHz with some delay.
	dense = int64(3e6)
)

// join lays a goroutine's samples out as pieces. Time that a CPU was stolen from the target has points
// among the table's intervals; those that a border misses by a look lie within an interval, and are left
// out.
func (r *reader) join(g *raw) []piece {
	byEnd := func(a, b piece) int { return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.from, b.from)) }
	slices.SortFunc(g.table, func(a, b piece) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	slices.SortFunc(g.onCPU, byEnd)
	if len(g.table) == 0 {
		return r.runs(nil, g.onCPU)
	}
	first, last := g.table[0].from, g.table[0].to
	for i := range g.table {
		last = max(last, g.table[i].to)
	}
	head, _ := slices.BinarySearchFunc(g.onCPU, first, func(p piece, t int64) int { return cmp.Compare(p.to, t+1) })
	tail, _ := slices.BinarySearchFunc(g.onCPU, last, func(p piece, t int64) int { return cmp.Compare(p.from, t) })
	pieces := r.runs(nil, g.onCPU[:head])
	for i := range g.table {
		p := g.table[i]
		if n := len(pieces); n > 0 {
			end := pieces[n-1].to
			if p.to <= end {
				continue
			}
			if i > 0 && p.from > end {
				pieces = r.hole(pieces, g.onCPU, p)
			}
			p.from = max(p.from, end)
		}
		if p.to > p.from {
			pieces = append(pieces, p)
		}
	}
	return r.runs(pieces, g.onCPU[max(tail, head):])
}

// runs appends on-CPU samples that no interval of the table surrounds: the goroutine was on a CPU
// from the first to the last of those that are close together.
func (r *reader) runs(pieces, samples []piece) []piece {
	for i, s := range samples {
		if n := len(pieces); n > 0 {
			last := pieces[n-1]
			switch {
			case s.to <= last.to:
				continue
			case i > 0 && s.from-last.to < dense || s.from < last.to:
				s.from = last.to
			}
		}
		pieces = append(pieces, s)
	}
	return pieces
}

// hole appends the time on a CPU between the last piece and the next, cut at the on-CPU samples
// in it. Without any it has the stack of nobody, and the labels of both sides half and half.
func (r *reader) hole(pieces, samples []piece, next piece) []piece {
	from, to := pieces[len(pieces)-1].to, next.from
	i, _ := slices.BinarySearchFunc(samples, from-near, func(p piece, t int64) int { return cmp.Compare(p.to, t) })
	begin := i
	for ; i < len(samples) && samples[i].to < to+near; i++ {
		s := samples[i]
		if s.to > from && s.to < to {
			s.from = from
			pieces, from = append(pieces, s), s.to
		}
	}
	before := pieces[len(pieces)-1]
	rest := piece{from: from, to: to, guess: true, kind: cpu, stack: r.internStack(nil), state: r.internState(running)}
	if n := nearest(samples[begin:i], from, to); n != nil {
		rest.stack, rest.kind = n.stack, n.kind
	}
	if before.labels == next.labels || before.kind == cpu && !before.guess {
		rest.labels = before.labels
		return append(pieces, rest)
	}
	half := rest
	half.to = from + (to-from)/2
	rest.from = half.to
	half.labels, rest.labels = before.labels, next.labels
	if half.to > half.from {
		pieces = append(pieces, half)
	}
	return append(pieces, rest)
}

var running = map[string][]string{"go.state": {"running"}}

// nearest is the sample that is closest to a stretch of time.
func nearest(samples []piece, from, to int64) *piece {
	var best *piece
	distance := near
	for i := range samples {
		if d := max(from-samples[i].to, samples[i].from-to, 0); d < distance {
			best, distance = &samples[i], d
		}
	}
	return best
}

// during calls visit for the pieces of a track that overlap [from, to), clipped.
func (t *track) during(from, to int64, visit func(p *piece, from, to int64)) {
	i, _ := slices.BinarySearchFunc(t.pieces, from+1, func(p piece, at int64) int { return cmp.Compare(p.to, at) })
	for ; i < len(t.pieces) && t.pieces[i].from < to; i++ {
		p := &t.pieces[i]
		visit(p, max(p.from, from), min(p.to, to))
	}
}

// alive says whether the goroutine was seen in [from, to).
func (t *track) alive(from, to int64) bool {
	return t.pieces[0].from < to && t.pieces[len(t.pieces)-1].to > from
}
