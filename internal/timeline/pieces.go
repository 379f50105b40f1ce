package timeline

import (
	"cmp"
	"slices"
)

const (
	// Near is how far an on-CPU sample may be from a hole and still say what the goroutine did in it.
	Near = int64(5e6)
	// dense is how close on-CPU samples are while a goroutine stays on a CPU, at 1 kHz with some delay.
	dense = int64(3e6)
)

// raw is what the profile says of a goroutine.
type raw struct {
	parent       int64
	table, onCPU []Piece
}

// join lays the samples out as pieces; gap is what stands for time on a CPU that no sample is of. Time that a CPU was
// stolen from the target has points among the table's intervals; those that a border misses by a scan lie within an
// interval, and are left out.
func (g *raw) join(gap Piece) []Piece {
	byEnd := func(a, b Piece) int { return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From)) }
	slices.SortFunc(g.table, func(a, b Piece) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.To, a.To)) })
	slices.SortFunc(g.onCPU, byEnd)
	if len(g.table) == 0 {
		return runs(nil, g.onCPU)
	}
	first, last := g.table[0].From, g.table[0].To
	for i := range g.table {
		last = max(last, g.table[i].To)
	}
	head, _ := slices.BinarySearchFunc(g.onCPU, first, func(p Piece, t int64) int { return cmp.Compare(p.To, t+1) })
	tail, _ := slices.BinarySearchFunc(g.onCPU, last, func(p Piece, t int64) int { return cmp.Compare(p.From, t) })
	pieces := runs(nil, g.onCPU[:head])
	for i := range g.table {
		p := g.table[i]
		if n := len(pieces); n > 0 {
			end := pieces[n-1].To
			if p.To <= end {
				continue
			}
			if i > 0 && p.From > end {
				pieces = g.hole(pieces, gap, p)
			}
			p.From = max(p.From, end)
		}
		if p.To > p.From {
			pieces = append(pieces, p)
		}
	}
	return runs(pieces, g.onCPU[max(tail, head):])
}

// waitsForNext says whether a connection's goroutine waits for its next request.
func (p *Piece) waitsForNext(stacks []Stack) bool { return p.Kind == Network && stacks[p.Stack].idle() }

// leftOn finds out which pieces have the labels of the request before. pprof.Do takes its labels off again, SetGoroutineLabels does
// not: a connection that waits for the next request has them still, and so has that one until it gets its own.
func leftOn(pieces []Piece) {
	left := int32(0)
	for i := range pieces {
		switch p := &pieces[i]; {
		case p.Left:
			left, p.Labels = p.Labels, 0
		case left != 0 && p.Labels == left:
			p.Left = true
		default:
			left = 0
		}
	}
}

// runs appends on-CPU samples that no interval of the table surrounds: the goroutine was on a CPU
// from the first to the last of those that are close together.
func runs(pieces, samples []Piece) []Piece {
	for i, s := range samples {
		if n := len(pieces); n > 0 {
			last := pieces[n-1]
			switch {
			case s.To <= last.To:
				continue
			case i > 0 && s.From-last.To < dense || s.From < last.To:
				s.From = last.To
			}
		}
		pieces = append(pieces, s)
	}
	return pieces
}

// hole appends the time on a CPU between the last piece and the next, cut at the on-CPU samples
// in it. Without any it has the stack of nobody, and the labels of both sides half and half.
func (g *raw) hole(pieces []Piece, gap, next Piece) []Piece {
	samples := g.onCPU
	from, to := pieces[len(pieces)-1].To, next.From
	i, _ := slices.BinarySearchFunc(samples, from-Near, func(p Piece, t int64) int { return cmp.Compare(p.To, t) })
	begin := i
	for ; i < len(samples) && samples[i].To < to+Near; i++ {
		s := samples[i]
		if s.To > from && s.To < to {
			s.From = from
			pieces, from = append(pieces, s), s.To
		}
	}
	before := pieces[len(pieces)-1]
	rest := gap
	rest.From, rest.To = from, to
	if n := nearest(samples[begin:i], from, to); n != nil {
		rest.Stack, rest.Kind = n.Stack, n.Kind
	}
	if before.Labels == next.Labels || before.Kind == CPU && !before.Guess {
		rest.Labels = before.Labels
		return append(pieces, rest)
	}
	half := rest
	half.To = from + (to-from)/2
	rest.From = half.To
	half.Labels, rest.Labels = before.Labels, next.Labels
	if half.To > half.From {
		pieces = append(pieces, half)
	}
	return append(pieces, rest)
}

// nearest is the sample that is closest to a stretch of time.
func nearest(samples []Piece, from, to int64) *Piece {
	var best *Piece
	distance := Near
	for i := range samples {
		if d := max(from-samples[i].To, samples[i].From-to, 0); d < distance {
			best, distance = &samples[i], d
		}
	}
	return best
}
