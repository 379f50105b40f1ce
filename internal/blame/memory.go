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

// around is how far from a timer's time the end of a wait may be seen: a scan, and what it takes to get going.
const around = int64(3e6)

// object is the one thing that a piece's kind of resource is told apart by: the lock, or the full channel that it would
// send to. Of other channels there is mostly a new one each time.
func (b *Blamer) object(p *timeline.Piece) uint64 {
	for _, o := range b.Objects[p.On] {
		if p.Kind == timeline.Lock && (o.Kind == sample.Mutex || o.Kind == sample.RWMutex) || full(o) {
			return o.Addr
		}
	}
	return 0
}

// full says whether a channel has room for some and has none left.
func full(o sample.Object) bool { return o.Kind == sample.Chan && o.Op == sample.Send && o.Cap > 0 }

// other says whether a piece waits where r is asked for, and for something else. What is not known is not other.
func (b *Blamer) other(r *resource, p *timeline.Piece) bool {
	if r.object == 0 || p.Kind != r.kind || p.On == 0 {
		return false
	}
	o := b.object(p)
	s := b.SiteOf(p.Stack, p.Kind)
	return o != 0 && o != r.object && s.At >= 0 && s.User.Fn == r.user.Fn
}

// timer says whether a piece waits for time: for nothing else, or for something else too and the time had come.
func (b *Blamer) timer(p *timeline.Piece, s timeline.Span) bool {
	list := b.Objects[p.On]
	if len(list) == 1 && list[0].Kind == sample.Timer {
		return true
	}
	end := b.endOf(p, s.Track)
	for _, o := range list {
		if o.Kind == sample.Timer && o.Due != 0 && b.Epoch != 0 && abs(end-(o.Due+b.Epoch)) < around {
			return true
		}
	}
	return false
}

// endOf is when a wait ended: one that lasts is recorded in several pieces.
func (b *Blamer) endOf(p *timeline.Piece, g *timeline.Track) int64 {
	i, _ := slices.BinarySearchFunc(g.Pieces, p.From, func(q timeline.Piece, at int64) int { return cmp.Compare(q.From, at) })
	end := p.To
	for i++; i < len(g.Pieces) && g.Pieces[i].From == end && g.Pieces[i].On == p.On && g.Pieces[i].Stack == p.Stack; i++ {
		end = g.Pieces[i].To
	}
	return end
}

// passed finds who holds a lock by who leaves its queue: that one has it until the next one does. It says whether
// that explains most of the time that the queue is there.
func (b *Blamer) passed(r *resource) bool {
	if r.kind != timeline.Lock || r.object == 0 {
		return false
	}
	type exit struct {
		at int64
		g  *timeline.Track
	}
	var exits []exit
	queue := b.newSet()
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if p.Kind != r.kind || p.Guess || b.object(p) != r.object {
				continue
			}
			if b.States[p.State].Name == "sync.RWMutex.RLock" {
				r.waiters = map[*timeline.Track]bool{}
				return false // readers leave together, and it was a writer that they waited for
			}
			b.fill(queue, p.From, p.To)
			r.waiters[g] = true
			if i+1 == len(g.Pieces) || g.Pieces[i+1].On != p.On {
				exits = append(exits, exit{p.To, g})
			}
		}
	}
	slices.SortFunc(exits, func(a, b exit) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.g.Goid, b.g.Goid)) })
	for i, e := range exits {
		to := min(e.g.Pieces[len(e.g.Pieces)-1].To, b.To)
		if i+1 < len(exits) {
			to = min(to, exits[i+1].at)
		}
		if to > e.at {
			r.spans = append(r.spans, timeline.Span{Track: e.g, From: e.at, To: to, Fn: r.app.Fn})
		}
	}
	if 2*queue.common(b.cells(r.spans)) < queue.count() {
		r.spans, r.waiters = nil, map[*timeline.Track]bool{}
		return false
	}
	r.usual, r.limit, r.trust, r.proof = median(r.spans), 1, passedTrust, Read
	return true
}

// counted makes a queue at a full channel one for a limit of as many as it takes, if that is how many have passed
// it, or nobody ever waits at its other end. The same the other way round, where a place is taken out of a channel that
// several wait for, needs as many to have passed.
func (b *Blamer) counted(r *resource, p *timeline.Piece) {
	if r.kind != timeline.Channel && r.kind != timeline.Limit || len(r.spans) == 0 || r.busy {
		return
	}
	for _, o := range b.Objects[p.On] {
		counts := o.Kind == sample.Chan && o.Cap > 0 && o.Cap < 1<<20
		agrees := counts && r.limit == int(o.Cap)
		taken := agrees && r.as == timeline.Limit && len(b.sides()[side{o.Addr, sample.Receive}]) > 1
		if full(o) && (agrees || counts && len(b.partners(o)) == 0) || taken {
			r.as, r.limit, r.trust, r.proof = timeline.Limit, int(o.Cap), countedTrust, Read
		}
	}
}

// side is one end of a channel.
type side struct {
	addr uint64
	op   sample.Op
}

// sides are the goroutines that were seen to wait at each end of each channel.
func (b *Blamer) sides() map[side][]*timeline.Track {
	if b.ends != nil {
		return b.ends
	}
	b.ends = make(map[side][]*timeline.Track)
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			for _, o := range b.Objects[g.Pieces[i].On] {
				k := side{o.Addr, o.Op}
				if o.Kind == sample.Chan && o.Op != sample.NoOp && !slices.Contains(b.ends[k][max(len(b.ends[k])-1, 0):], g) {
					b.ends[k] = append(b.ends[k], g)
				}
			}
		}
	}
	return b.ends
}

// partners are the goroutines that wait at the other end of a channel at other times.
func (b *Blamer) partners(o sample.Object) []*timeline.Track {
	op := sample.Send
	if o.Op == sample.Send {
		op = sample.Receive
	}
	return b.sides()[side{o.Addr, op}]
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
	t := turn{kind: timeline.Channel, at: at, limit: len(all)}
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
