package blame

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What the target's memory says of a wait (timeline.Piece.On) takes the place of guesses. Two locks that are asked for on
// one line are two. Who comes out of a lock's queue has the lock until the next one does. A wait that ends when the
// timer fires that it waits for too is one for time. A channel that is full, and from which nobody was ever seen to
// wait for something, is a limit of as many as it takes. And who waits at the other end of a channel at other times is who
// is waited for.

const (
	timerTrust   = 0.95 // it is a timer's channel, or its time had come
	passedTrust  = 0.92 // they left the queue of that very lock one after the other
	countedTrust = 0.90 // the channel is full, and as many went through the code
	partnerTrust = 0.90 // it waits at the other end of that very channel at other times
	fewPartners  = 64   // goroutines at the other end; more are no workers
)

// passed finds who holds a lock by who leaves its queue: that one has it until the next one does. It says whether
// that explains most of the time that the queue is there.
func (hs *holders) passed(r *resource) bool {
	if r.kind != timeline.Lock || r.object == 0 {
		return false
	}
	type exit struct {
		at int64
		g  *timeline.Track
	}
	var exits []exit
	queue := hs.newSet()
	for _, g := range hs.Tracks {
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if p.Kind != r.kind || p.Guess || hs.object(p) != r.object {
				continue
			}
			if hs.States[p.State].Name == "sync.RWMutex.RLock" {
				r.waiters = map[*timeline.Track]bool{}
				return false // readers leave together, and it was a writer that they waited for
			}
			hs.fill(queue, p.From, p.To)
			r.waiters[g] = true
			if i+1 == len(g.Pieces) || g.Pieces[i+1].On != p.On {
				exits = append(exits, exit{p.To, g})
			}
		}
	}
	slices.SortFunc(exits, func(a, b exit) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.g.Goid, b.g.Goid)) })
	for i, e := range exits {
		to := min(e.g.Pieces[len(e.g.Pieces)-1].To, hs.To)
		if i+1 < len(exits) {
			to = min(to, exits[i+1].at)
		}
		if to > e.at {
			r.spans = append(r.spans, timeline.Span{Track: e.g, From: e.at, To: to, Fn: r.app.Fn})
		}
	}
	if 2*queue.common(hs.cells(r.spans)) < queue.count() {
		r.spans, r.waiters = nil, map[*timeline.Track]bool{}
		return false
	}
	r.usual, r.limit, r.trust, r.proof = median(r.spans), 1, passedTrust, Read
	return true
}

// counted makes a queue at a full channel one for a limit of as many as it takes, if that is how many have passed
// it, or nobody ever waits at its other end. The same the other way round, where a place is taken out of a channel that
// several wait for, needs as many to have passed.
func (hs *holders) counted(r *resource, p *timeline.Piece) {
	if r.kind != timeline.Channel && r.kind != timeline.Limit || len(r.spans) == 0 || r.busy {
		return
	}
	for _, o := range hs.Objects[p.On] {
		counts := o.Kind == sample.Chan && o.Cap > 0 && o.Cap < 1<<20
		agrees := counts && r.limit == int(o.Cap)
		taken := agrees && r.as == timeline.Limit && len(hs.sides()[side{o.Addr, sample.Receive}]) > 1
		if full(o) && (agrees || counts && len(hs.partners(o)) == 0) || taken {
			r.as, r.limit, r.trust, r.proof = timeline.Limit, int(o.Cap), countedTrust, Read
		}
	}
}
