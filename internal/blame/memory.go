package blame

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What the target's memory says of a wait (timeline.Piece.On) takes the place of guesses. Two locks that are asked for on
// one line are two. Who comes out of a lock's queue has the lock, until the next one does or it goes elsewhere. A wait that ends when the
// timer fires that it waits for too is one for time. A channel that is full, and from which nobody was ever seen to
// wait for something, is a limit of as many as it takes. And who waits at the other end of a channel at other times is who
// is waited for.

const (
	timerTrust   = 0.95 // it is a timer's channel, or its time had come
	passedTrust  = 0.92 // they left the queue of that very lock one after the other
	askingTrust  = 0.85 // they are where that very lock is asked for, and do not wait for it
	countedTrust = 0.90 // the channel is full, and as many went through the code
	partnerTrust = 0.90 // it waits at the other end of that very channel at other times
	fewPartners  = 64   // goroutines at the other end; more are no workers
)

// exit is a goroutine that comes out of the queue of a lock, and so has it.
type exit struct {
	hold timeline.Span
	in   timeline.Frame // the application's function that asked for it
}

// passed finds who holds a lock of which the address is known: who leaves its queue has it until the next one does, or until it has
// left the code that asked for it; or, where most of that time is nobody's, because who has it did not have to wait, who is in a
// function that asks for that very lock at other times, if that is to be looked for elsewhere. It says whether that explains most of the
// time that the queue is there.
func (hs *holders) passed(r *resource, elsewhere bool) bool {
	if r.kind != timeline.Lock || r.object == 0 {
		return false
	}
	queue := hs.newSet()
	exits, readers := hs.exits(r, queue)
	if readers {
		r.waiters = map[*timeline.Track]bool{}
		return false // they leave together, and it was a writer that they waited for
	}
	var asking []timeline.Frame
	for i, e := range exits {
		if !slices.ContainsFunc(asking, func(f timeline.Frame) bool { return f.Fn == e.in.Fn }) {
			asking = append(asking, timeline.Frame{Fn: e.in.Fn})
		}
		if i+1 < len(exits) {
			e.hold.To = min(e.hold.To, exits[i+1].hold.From)
		}
		if e.hold.To > e.hold.From {
			r.spans = append(r.spans, e.hold)
		}
	}
	r.limit, r.trust, r.proof = 1, passedTrust, Read
	if elsewhere && !hs.explains(queue, r.spans) {
		r.spans, r.limit, r.trust = hs.holds(r, asking), 0, askingTrust
	}
	if !hs.explains(queue, r.spans) {
		r.spans, r.waiters, r.trust, r.proof = nil, map[*timeline.Track]bool{}, 0, Guessed
		return false
	}
	r.usual = median(r.spans)
	return true
}

// explains says whether somebody has it for most of the time that the queue is there.
func (hs *holders) explains(queue set, spans []timeline.Span) bool {
	return 2*queue.common(hs.cells(spans)) >= queue.count()
}

// exits are those who come out of the queue of a lock, in order, and fills in when it is there. It says whether readers are in it.
func (hs *holders) exits(r *resource, queue set) (list []exit, readers bool) {
	for _, w := range hs.asking(r.object) {
		g, p := w.g, &w.g.Pieces[w.i]
		if hs.States[p.State].Name == "sync.RWMutex.RLock" {
			return nil, true
		}
		hs.fill(queue, p.From, p.To)
		r.waiters[g] = true
		if w.i+1 == len(g.Pieces) || g.Pieces[w.i+1].On != p.On {
			in := hs.Place(p.Stack)
			list = append(list, exit{timeline.Span{Track: g, From: p.To, To: hs.leaves(g, w.i), Fn: in.Fn}, in})
		}
	}
	slices.SortFunc(list, func(a, b exit) int {
		return cmp.Or(cmp.Compare(a.hold.From, b.hold.From), cmp.Compare(a.hold.Track.Goid, b.hold.Track.Goid))
	})
	return list, false
}

// place is a piece of a goroutine's life.
type place struct {
	g *timeline.Track
	i int
}

// asking are the waits for a lock, by its address: a program may have thousands of locks.
func (hs *holders) asking(lock uint64) []place {
	if hs.byLock == nil {
		hs.byLock = make(map[uint64][]place)
		for _, g := range hs.Tracks {
			for i := range g.Pieces {
				if p := &g.Pieces[i]; p.Kind == timeline.Lock && !p.Guess {
					if o := hs.object(p); o != 0 {
						hs.byLock[o] = append(hs.byLock[o], place{g, i})
					}
				}
			}
		}
	}
	return hs.byLock[lock]
}

// leaves is when a goroutine that waited in a piece is seen to wait elsewhere: neither in the application's function that it waited in,
// nor in the one that had called that. A lock that is taken in the one may be given back in the other.
func (hs *holders) leaves(g *timeline.Track, i int) int64 {
	st := &hs.Stacks[g.Pieces[i].Stack]
	var in []timeline.Frame
	for k := max(int(st.App), 0); k < len(st.Frames) && len(in) < 2; k++ {
		in = append(in, timeline.Frame{Fn: st.Frames[k].Fn})
	}
	for _, p := range g.Pieces[i+1:] {
		if p.Kind != timeline.Lock && !p.Stale() && hs.deepest(p.Stack, in) < 0 {
			return p.From
		}
	}
	return min(g.Pieces[len(g.Pieces)-1].To, hs.To)
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
