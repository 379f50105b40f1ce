package report

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// Most breaches show the same symptom: everything queues for the pool, or for the lock. So waiting is
// not blamed on what is waited for but charged to what those did meanwhile who had it, and if they
// waited themselves, to what those did whom they waited for, and so on. What is left at the end of the
// chains are atoms: time with a kind and a function.

// atom is time of a request, charged to where it was lost.
type atom struct {
	kind  kind
	at    frame // the function to name, fn -1 for none
	state int32 // the state and the stack of the piece, -1 where there is none: they name peer and call
	stack int32
	ns    float64
	chain int32 // how one came there, in blamer.links
	// denied says that the time passed while a thread wanted a CPU for it and other processes had them.
	denied bool
}

// nowhere is no function.
var nowhere = frame{fn: -1}

// link is one step of a chain, from the symptom to the cause.
type link struct {
	kind kind
	at   frame
	role role
}

// role is what a step says.
type role uint8

const (
	waitsFor role = iota // the request waits: for the kind, in the function
	heldBy               // what is waited for is held by a goroutine in the function
	behind               // runs before it
	started              // is done by a goroutine that it started
)

// deepest is how many waits are followed, one behind the other.
const deepest = 6

// shortest is the length of a wait that is followed; the timeline is not more exact than that.
const shortest = int64(200e3)

// blamer follows waits.
type blamer struct {
	*timeline
	resources map[resourceKey]*resource
	loads     []load
	cell      int64 // length of a load, ns
	ps        float64
	allocator frame // who allocates most while the collector is busy

	links  []chained
	byLink map[chained]int32
	path   []*track       // being followed, against cycles
	turn   int            // of whom to follow, where one stands for many
	works  map[int32]kind // by stack, what running there is
}

// chained is a link and what is before it.
type chained struct {
	before int32
	link
}

func newBlamer(t *timeline) *blamer {
	b := &blamer{timeline: t, resources: make(map[resourceKey]*resource), byLink: make(map[chained]int32), links: make([]chained, 1), works: make(map[int32]kind)}
	b.loadCells()
	b.ps = b.parallel()
	b.allocator = b.findAllocator()
	return b
}

// link returns the chain that goes on with l after chain. A step that says the same as the last is
// left out.
func (b *blamer) link(chain int32, l link) int32 {
	l.at.line = 0
	if last := b.links[chain]; chain != 0 && last.link == l {
		return chain
	}
	c := chained{chain, l}
	id, ok := b.byLink[c]
	if !ok {
		id = int32(len(b.links))
		b.links = append(b.links, c)
		b.byLink[c] = id
	}
	return id
}

// chainOf is the steps of a chain, the request's own first.
func (b *blamer) chainOf(id int32) []link {
	var steps []link
	for ; id != 0; id = b.links[id].before {
		steps = append(steps, b.links[id].link)
	}
	slices.Reverse(steps)
	return steps
}

// findAllocator is the application's function that the collector makes pay most, else the one that
// allocates most.
func (b *blamer) findAllocator() frame {
	pays := map[frame]int64{}
	best := nowhere
	for _, g := range b.tracks {
		for i := range g.pieces {
			p := &g.pieces[i]
			s := &b.stacks[p.stack]
			if s.app < 0 || p.kind != gc && !(p.kind == cpu && b.has(s, names.Allocator)) {
				continue
			}
			f := s.frames[s.app]
			if pays[f] += p.length(); best.fn < 0 || pays[f] > pays[best] {
				best = f
			}
		}
	}
	return best
}

// blame charges all time of a request.
func (b *blamer) blame(r *request, out func(atom)) {
	b.follow(r.main, r, span{track: r.main, from: r.from, to: r.to}, 0, out)
}

// follow charges what a goroutine did in a stretch of time. r is the request whose children count as
// its own, nil when another goroutine is followed.
func (b *blamer) follow(g *track, r *request, s span, chain int32, out func(atom)) {
	if len(b.path) >= deepest || slices.Contains(b.path, g) {
		out(atom{kind: unknown, at: nowhere, state: -1, ns: float64(s.to - s.from), chain: chain})
		return
	}
	b.path = append(b.path, g)
	defer func() { b.path = b.path[:len(b.path)-1] }()
	at := s.from
	g.during(s.from, s.to, func(p *piece, from, to int64) {
		if from > at {
			out(atom{kind: unknown, at: nowhere, state: -1, ns: float64(from - at), chain: chain})
		}
		at = to
		b.charge(p, r, span{track: g, from: from, to: to}, chain, out)
	})
	if at < s.to {
		out(atom{kind: unknown, at: nowhere, state: -1, ns: float64(s.to - at), chain: chain})
	}
}

// charge charges one piece of a goroutine's life.
func (b *blamer) charge(p *piece, r *request, s span, chain int32, out func(atom)) {
	plain := atom{kind: p.kind, at: b.place(p.stack), state: p.state, stack: p.stack, ns: float64(s.to - s.from), chain: chain}
	switch p.kind {
	case goScheduler:
		b.queueForP(s.from, s.to, chain, out)
		return
	case network:
		plain.ns -= b.unpolled(p, s, chain, out)
	case osScheduler:
		plain.denied = true
		if plain.kind = b.work(p.stack); plain.kind == gc {
			plain.at = b.allocator
		}
	case gc:
		plain.at = b.allocator
	case stopped:
		plain.at = nowhere // wherever the program happened to be
	case children, channel, lock, pool:
		if s.to-s.from >= shortest && b.followWait(p, r, s, chain, out) {
			return
		}
		if plain.kind == children {
			plain.kind = unknown // of goroutines that nothing ties to the request
		}
	}
	out(plain)
}

// work is what a goroutine would do with a CPU: collect, or the program's own.
func (b *blamer) work(stack int32) kind {
	k, ok := b.works[stack]
	if !ok {
		k = b.kindOf("running", stack)
		b.works[stack] = k
	}
	return k
}

// followWait charges a wait to what was waited for, if that is known.
func (b *blamer) followWait(p *piece, r *request, s span, chain int32, out func(atom)) bool {
	if p.kind == children || p.kind == channel {
		if k := b.lastKid(r, s, p.kind == children); len(k) > 0 {
			b.followKids(k, r, s, b.link(chain, link{children, b.place(p.stack), started}), out)
			return true
		}
	}
	if p.kind == children {
		return false
	}
	res := b.resource(p.stack, p.kind)
	if res == nil || len(res.spans) == 0 {
		return false
	}
	b.followHolders(res, s, b.link(chain, link{p.kind, b.place(p.stack), waitsFor}), out)
	return true
}

// lastKid is the request's children that were at work in a wait, those that ended last first. A wait
// for a channel is one for children only if one of them did something just when it ended.
func (b *blamer) lastKid(r *request, s span, certain bool) []*track {
	if r == nil {
		return nil
	}
	var kids []*track
	ends := certain
	for _, k := range r.kids {
		if !k.alive(s.from, s.to) {
			continue
		}
		kids = append(kids, k)
		end := k.pieces[len(k.pieces)-1].to
		ends = ends || end > s.to-near && end < s.to+near
	}
	if !ends {
		return nil
	}
	slices.SortStableFunc(kids, func(a, b *track) int {
		x, y := min(a.pieces[len(a.pieces)-1].to, s.to), min(b.pieces[len(b.pieces)-1].to, s.to)
		return int(max(min(y-x, 1), -1))
	})
	return kids
}

// followKids walks back from the end of a wait: the child that ended last made it wait, and before
// that one was born, the one that ended last before.
func (b *blamer) followKids(kids []*track, r *request, s span, chain int32, out func(atom)) {
	end := s.to
	for _, k := range kids {
		born, died := max(k.pieces[0].from, s.from), min(k.pieces[len(k.pieces)-1].to, end)
		if born >= end || died <= born {
			continue
		}
		if died < end { // between its end and the wake-up there is nothing but the scheduler
			b.queueForP(died, end, chain, out)
		}
		b.follow(k, r, span{track: k, from: born, to: died}, chain, out)
		if end = born; end <= s.from {
			return
		}
	}
	if end > s.from {
		b.queueForP(s.from, end, chain, out)
	}
}

// followHolders shares a wait among those who held the resource meanwhile.
func (b *blamer) followHolders(res *resource, s span, chain int32, out func(atom)) {
	var holds []span
	b.between(res, s.from, s.to, func(h span, from, to int64) {
		if h.track != s.track && !slices.Contains(b.path, h.track) {
			holds = append(holds, h)
		}
	})
	unheld := atom{kind: res.kind, at: res.app, state: -1, chain: chain}
	b.sweep(holds, s, func(active []span, from, to int64) {
		if len(active) == 0 {
			unheld.ns = float64(to - from)
			out(unheld)
			return
		}
		active = b.some(active)
		for _, h := range active {
			share := 1 / float64(len(active))
			long := res.kind == pool && h.to-h.from > 5*max(res.usual, 5e6)
			b.follow(h.track, nil, span{track: h.track, from: from, to: to}, b.link(chain, link{res.kind, b.name(res, h), heldBy}), func(a atom) {
				a.ns *= share
				out(b.verdict(res, h, a, long))
			})
		}
	})
}

// some is all holders near the request. Behind them one of many stands for the others, another each
// time: what waits for what waits would otherwise grow without bound.
func (b *blamer) some(active []span) []span {
	if len(b.path) < 2 {
		return active
	}
	b.turn++
	i := b.turn % len(active)
	return active[i : i+1]
}

// sweep calls visit for the stretches of a wait between which the holders do not change.
func (b *blamer) sweep(holds []span, s span, visit func(active []span, from, to int64)) {
	cuts := []int64{s.from, s.to}
	for _, h := range holds {
		for _, at := range []int64{h.from, h.to} {
			if at > s.from && at < s.to {
				cuts = append(cuts, at)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var active []span
	for i := range len(cuts) - 1 {
		active = active[:0]
		for _, h := range holds {
			if h.from < cuts[i+1] && h.to > cuts[i] {
				active = append(active, h)
			}
		}
		visit(active, cuts[i], cuts[i+1])
	}
}

// name is the application's function that a holder is in, else the one that asks for the resource.
func (b *blamer) name(res *resource, h span) frame {
	if h.fn != res.app.fn && b.funcs[h.fn].app {
		return frame{fn: h.fn}
	}
	return res.app
}

// verdict says what the cause is when a holder of res loses its time to a. What keeps the holder from
// running, another resource that it waits for, or a disk that would be as slow without the lock, is the
// cause of its waiters too. But if the holder does what it is there to do, the cause is that only one,
// or only so many, can do it at a time.
func (b *blamer) verdict(res *resource, h span, a atom, long bool) atom {
	if a.denied {
		return a
	}
	switch a.kind {
	case gc, goScheduler, osScheduler, lock, pool, channel, stopped:
		return a
	case syscall:
		if a.state >= 0 && b.has(&b.stacks[a.stack], disk) {
			return a
		}
	}
	if long {
		return a // one that has it much longer than the others is named itself
	}
	a.chain = b.link(a.chain, link{a.kind, a.at, waitsFor})
	a.kind, a.at, a.state = res.kind, b.name(res, h), -1
	return a
}
