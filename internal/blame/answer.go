package blame

import "github.com/mayfly-profiler/mayfly/internal/timeline"

// answer names the peer of a wait for an answer, which the goroutine of a connection reads: that whose own
// wait for the network ends when this one does. Where that is none, all connections' if they have the same.
func (b *Blamer) answer(p *timeline.Piece, s timeline.Span, a *Atom) {
	reader := b.Stacks[p.Stack].For.By
	if b.polls(p) || reader == "" {
		return
	}
	best, off := int32(-1), timeline.Near
	for _, c := range b.calls(reader) {
		if c.From >= s.To+timeline.Near || c.To <= s.From {
			continue
		}
		c.Track.During(s.From, s.To+timeline.Near, func(q *timeline.Piece, _, _ int64) {
			if d := abs(q.To - s.To); b.polls(q) && b.States[q.State].Peer != "" && d < off {
				best, off = q.State, d
			}
		})
	}
	if best < 0 {
		best = b.onlyPeer(reader)
	}
	if best >= 0 {
		a.State = best
	}
}

// onlyPeer is a state with the peer of all connections that goroutines in a function read, -1 if they have several.
func (b *Blamer) onlyPeer(reader string) int32 {
	if state, ok := b.peers[reader]; ok {
		return state
	}
	only := int32(-1)
	for _, c := range b.calls(reader) {
		for i := range c.Track.Pieces {
			p := &c.Track.Pieces[i]
			if peer := b.States[p.State].Peer; b.polls(p) && peer != "" {
				if only >= 0 && b.States[only].Peer != peer {
					b.peers[reader] = -1
					return -1
				}
				only = p.State
			}
		}
	}
	b.peers[reader] = only
	return only
}
