// Package blame follows what a request waited for to where its time was lost.
//
//	b := blame.New(t)
//	b.Follow(request, func(a blame.Atom) { ... })
package blame

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Most breaches show the same symptom: everything queues for the pool, or for the lock. So waiting is
// not blamed on what is waited for but charged to what those did meanwhile who had it, and if they
// waited themselves, to what those did whom they waited for, and so on. What is left at the end of the
// chains are atoms: time with a kind and a function.

// Atom is time of a request, charged to where it was lost.
type Atom struct {
	Kind  timeline.Kind
	At    timeline.Frame // the function to name, Fn -1 for none
	State int32          // the state and the stack of the piece, -1 where there is none: they name peer and call
	Stack int32
	NS    float64
	Chain int32 // how one came there, in Blamer.links
	// Denied says that the time passed while a thread wanted a CPU for it and other processes had them.
	Denied bool
}

// Link is one step of a chain, from the symptom to the cause.
type Link struct {
	Kind timeline.Kind
	At   timeline.Frame
	Role Role
}

// Role is what a step says.
type Role uint8

// What a step says of its function.
const (
	WaitsFor Role = iota // the request waits: for the kind, in the function
	HeldBy               // what is waited for is held by a goroutine in the function
	Behind               // runs before it
	Started              // is done by a goroutine that it started
)

// deepest is how many waits are followed, one behind the other.
const deepest = 6

// shortest is the length of a wait that is followed; the timeline is not more exact than that.
const shortest = int64(200e3)

// Blamer follows waits.
type Blamer struct {
	*timeline.Timeline
	resources map[resourceKey]*resource
	loads     []load
	cell      int64 // length of a load, ns
	ps        float64
	allocator timeline.Frame // who allocates most while the collector is busy

	links  []chained
	byLink map[chained]int32
	path   []*timeline.Track       // being followed, against cycles
	turn   int                     // of whom to follow, where one stands for many
	works  map[int32]timeline.Kind // by stack, what running there is
}

// chained is a link and what is before it.
type chained struct {
	before int32
	Link
}

// New takes a timeline, which it keeps.
func New(t *timeline.Timeline) *Blamer {
	b := &Blamer{
		Timeline: t, resources: make(map[resourceKey]*resource), byLink: make(map[chained]int32), links: make([]chained, 1),
		works: make(map[int32]timeline.Kind),
	}
	b.loadCells()
	b.ps = b.parallel()
	b.allocator = b.findAllocator()
	return b
}

// link returns the chain that goes on with l after chain. A step that says the same as the last is
// left out.
func (b *Blamer) link(chain int32, l Link) int32 {
	l.At.Line = 0
	if last := b.links[chain]; chain != 0 && last.Link == l {
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

// ChainOf is the steps of a chain, the request's own first.
func (b *Blamer) ChainOf(id int32) []Link {
	var steps []Link
	for ; id != 0; id = b.links[id].before {
		steps = append(steps, b.links[id].Link)
	}
	slices.Reverse(steps)
	return steps
}

// findAllocator is the application's function that the collector makes pay most, else the one that
// allocates most.
func (b *Blamer) findAllocator() timeline.Frame {
	pays := map[timeline.Frame]int64{}
	best := timeline.Nowhere
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			p := &g.Pieces[i]
			s := &b.Stacks[p.Stack]
			if s.App < 0 || p.Kind != timeline.GC && !(p.Kind == timeline.CPU && b.Has(s, names.Allocator)) {
				continue
			}
			f := s.Frames[s.App]
			if pays[f] += p.Length(); best.Fn < 0 || pays[f] > pays[best] {
				best = f
			}
		}
	}
	return best
}

// Follow charges all time of a request.
func (b *Blamer) Follow(r *timeline.Request, out func(Atom)) {
	b.followTrack(r.Main, r, timeline.Span{Track: r.Main, From: r.From, To: r.To}, 0, out)
}

// followTrack charges what a goroutine did in a stretch of time. r is the request whose children count as
// its own, nil when another goroutine is followed.
func (b *Blamer) followTrack(g *timeline.Track, r *timeline.Request, s timeline.Span, chain int32, out func(Atom)) {
	if len(b.path) >= deepest || slices.Contains(b.path, g) {
		out(Atom{Kind: timeline.Unknown, At: timeline.Nowhere, State: -1, NS: float64(s.To - s.From), Chain: chain})
		return
	}
	b.path = append(b.path, g)
	defer func() { b.path = b.path[:len(b.path)-1] }()
	at := s.From
	g.During(s.From, s.To, func(p *timeline.Piece, from, to int64) {
		if from > at {
			out(Atom{Kind: timeline.Unknown, At: timeline.Nowhere, State: -1, NS: float64(from - at), Chain: chain})
		}
		at = to
		b.charge(p, r, timeline.Span{Track: g, From: from, To: to}, chain, out)
	})
	if at < s.To {
		out(Atom{Kind: timeline.Unknown, At: timeline.Nowhere, State: -1, NS: float64(s.To - at), Chain: chain})
	}
}

// charge charges one piece of a goroutine's life.
func (b *Blamer) charge(p *timeline.Piece, r *timeline.Request, s timeline.Span, chain int32, out func(Atom)) {
	plain := Atom{Kind: p.Kind, At: b.Place(p.Stack), State: p.State, Stack: p.Stack, NS: float64(s.To - s.From), Chain: chain}
	switch p.Kind {
	case timeline.GoScheduler:
		b.queueForP(s.From, s.To, chain, out)
		return
	case timeline.Network:
		plain.NS -= b.unpolled(p, s, chain, out)
	case timeline.OSScheduler:
		plain.Denied = true
		if plain.Kind = b.work(p.Stack); plain.Kind == timeline.GC {
			plain.At = b.allocator
		}
	case timeline.GC:
		plain.At = b.allocator
	case timeline.Stopped:
		plain.At = timeline.Nowhere // wherever the program happened to be
	case timeline.Children, timeline.Channel, timeline.Lock, timeline.Pool:
		if s.To-s.From >= shortest && b.followWait(p, r, s, chain, out) {
			return
		}
		if plain.Kind == timeline.Children {
			plain.Kind = timeline.Unknown // of goroutines that nothing ties to the request
		}
	}
	out(plain)
}

// work is what a goroutine would do with a CPU: collect, or the program's own.
func (b *Blamer) work(stack int32) timeline.Kind {
	k, ok := b.works[stack]
	if !ok {
		k = b.KindOf("running", stack)
		b.works[stack] = k
	}
	return k
}

// followWait charges a wait to what was waited for, if that is known.
func (b *Blamer) followWait(p *timeline.Piece, r *timeline.Request, s timeline.Span, chain int32, out func(Atom)) bool {
	if p.Kind == timeline.Children || p.Kind == timeline.Channel {
		if k := b.lastKid(r, s, p.Kind == timeline.Children); len(k) > 0 {
			b.followKids(k, r, s, b.link(chain, Link{timeline.Children, b.Place(p.Stack), Started}), out)
			return true
		}
	}
	if p.Kind == timeline.Children {
		return false
	}
	res := b.resource(p.Stack, p.Kind)
	if res == nil || len(res.spans) == 0 {
		return false
	}
	b.followHolders(res, s, b.link(chain, Link{p.Kind, b.Place(p.Stack), WaitsFor}), out)
	return true
}

// lastKid is the request's children that were at work in a wait, those that ended last first. A wait
// for a channel is one for children only if one of them did something just when it ended.
func (b *Blamer) lastKid(r *timeline.Request, s timeline.Span, certain bool) []*timeline.Track {
	if r == nil {
		return nil
	}
	var kids []*timeline.Track
	ends := certain
	for _, k := range r.Kids {
		if !k.Alive(s.From, s.To) {
			continue
		}
		kids = append(kids, k)
		end := k.Pieces[len(k.Pieces)-1].To
		ends = ends || end > s.To-timeline.Near && end < s.To+timeline.Near
	}
	if !ends {
		return nil
	}
	slices.SortStableFunc(kids, func(a, b *timeline.Track) int {
		x, y := min(a.Pieces[len(a.Pieces)-1].To, s.To), min(b.Pieces[len(b.Pieces)-1].To, s.To)
		return int(max(min(y-x, 1), -1))
	})
	return kids
}

// followKids walks back from the end of a wait: the child that ended last made it wait, and before
// that one was born, the one that ended last before.
func (b *Blamer) followKids(kids []*timeline.Track, r *timeline.Request, s timeline.Span, chain int32, out func(Atom)) {
	end := s.To
	for _, k := range kids {
		born, died := max(k.Pieces[0].From, s.From), min(k.Pieces[len(k.Pieces)-1].To, end)
		if born >= end || died <= born {
			continue
		}
		if died < end { // between its end and the wake-up there is nothing but the scheduler
			b.queueForP(died, end, chain, out)
		}
		b.followTrack(k, r, timeline.Span{Track: k, From: born, To: died}, chain, out)
		if end = born; end <= s.From {
			return
		}
	}
	if end > s.From {
		b.queueForP(s.From, end, chain, out)
	}
}

// followHolders shares a wait among those who held the resource meanwhile.
func (b *Blamer) followHolders(res *resource, s timeline.Span, chain int32, out func(Atom)) {
	var holds []timeline.Span
	b.between(res, s.From, s.To, func(h timeline.Span, from, to int64) {
		if h.Track != s.Track && !slices.Contains(b.path, h.Track) {
			holds = append(holds, h)
		}
	})
	unheld := Atom{Kind: res.kind, At: res.app, State: -1, Chain: chain}
	b.sweep(holds, s, func(active []timeline.Span, from, to int64) {
		if len(active) == 0 {
			unheld.NS = float64(to - from)
			out(unheld)
			return
		}
		active = b.some(active)
		for _, h := range active {
			share := 1 / float64(len(active))
			long := res.kind == timeline.Pool && h.To-h.From > 5*max(res.usual, 5e6)
			held := b.link(chain, Link{res.kind, b.name(res, h), HeldBy})
			b.followTrack(h.Track, nil, timeline.Span{Track: h.Track, From: from, To: to}, held, func(a Atom) {
				a.NS *= share
				out(b.verdict(res, h, a, long))
			})
		}
	})
}

// some is all holders near the request. Behind them one of many stands for the others, another each
// time: what waits for what waits would otherwise grow without bound.
func (b *Blamer) some(active []timeline.Span) []timeline.Span {
	if len(b.path) < 2 {
		return active
	}
	b.turn++
	i := b.turn % len(active)
	return active[i : i+1]
}

// sweep calls visit for the stretches of a wait between which the holders do not change.
func (b *Blamer) sweep(holds []timeline.Span, s timeline.Span, visit func(active []timeline.Span, from, to int64)) {
	cuts := []int64{s.From, s.To}
	for _, h := range holds {
		for _, at := range []int64{h.From, h.To} {
			if at > s.From && at < s.To {
				cuts = append(cuts, at)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var active []timeline.Span
	for i := range len(cuts) - 1 {
		active = active[:0]
		for _, h := range holds {
			if h.From < cuts[i+1] && h.To > cuts[i] {
				active = append(active, h)
			}
		}
		visit(active, cuts[i], cuts[i+1])
	}
}

// name is the application's function that a holder is in, else the one that asks for the resource.
func (b *Blamer) name(res *resource, h timeline.Span) timeline.Frame {
	if h.Fn != res.app.Fn && b.Funcs[h.Fn].App {
		return timeline.Frame{Fn: h.Fn}
	}
	return res.app
}

// verdict says what the cause is when a holder of res loses its time to a. What keeps the holder from
// running, another resource that it waits for, or a disk that would be as slow without the lock, is the
// cause of its waiters too. But if the holder does what it is there to do, the cause is that only one,
// or only so many, can do it at a time.
func (b *Blamer) verdict(res *resource, h timeline.Span, a Atom, long bool) Atom {
	if a.Denied {
		return a
	}
	switch a.Kind {
	case timeline.GC, timeline.GoScheduler, timeline.OSScheduler, timeline.Lock, timeline.Pool, timeline.Channel, timeline.Stopped:
		return a
	case timeline.Syscall:
		if a.State >= 0 && b.Has(&b.Stacks[a.Stack], disk) {
			return a
		}
	}
	if long {
		return a // one that has it much longer than the others is named itself
	}
	a.Chain = b.link(a.Chain, Link{a.Kind, a.At, WaitsFor})
	a.Kind, a.At, a.State = res.kind, b.name(res, h), -1
	return a
}

// disk are the functions that wait for a disk.
var disk = slices.Concat(names.Disk, []string{
	"golang.org/x/sys/unix.Fsync", "golang.org/x/sys/unix.Fdatasync", "golang.org/x/sys/unix.Msync",
})
