package blame

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// followTrack charges what a goroutine did in a stretch of time. r is the request whose children count as
// its own, nil when a goroutine is followed that is none of them.
func (b *Blamer) followTrack(r *timeline.Request, s timeline.Span, via route, out func(Atom)) {
	if len(b.path) >= deepestSeen || len(b.path) >= deepest && via.proof == Guessed || slices.Contains(b.path, s.Track) ||
		b.steps > mostSteps {
		out(via.lost(s.From, s.To))
		return
	}
	b.path = append(b.path, s.Track)
	defer func() { b.path = b.path[:len(b.path)-1] }()
	at := b.unborn(s, via, out)
	s.Track.During(at, s.To, func(p *timeline.Piece, from, to int64) {
		b.steps++
		if from > at {
			out(via.lost(at, from))
		}
		at = to
		b.apart(timeline.Span{Track: s.Track, From: from, To: to}, via, out, func(s timeline.Span) { b.charge(p, r, s, via, out) })
	})
	if at < s.To {
		out(via.lost(at, s.To))
	}
}

// mostSteps is how many pieces are looked at for one request.
const mostSteps = 200_000

// How many waits are followed, one behind the other: where all are guessed, and where none is.
const (
	deepest     = 8
	deepestSeen = 64
)

// unborn charges the time before a goroutine was started to the one that started it, and returns where the
// goroutine's own begins.
func (b *Blamer) unborn(s timeline.Span, via route, out func(Atom)) int64 {
	born, parent := s.Track.Pieces[0].From, b.ByID[s.Track.Parent]
	if born <= s.From || born >= s.To || parent == nil || via.proof != Observed {
		return s.From
	}
	b.followTrack(nil, timeline.Span{Track: parent, From: s.From, To: born}, via, out)
	return born
}
