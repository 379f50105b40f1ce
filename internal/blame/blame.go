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
//
// Who waits for whom is known where pieces say who ended them (edge.go); else it is inferred from code
// and time (guess.go), and atoms say so.

// Atom is time of a request, charged to where it was lost.
type Atom struct {
	Kind  timeline.Kind
	At    timeline.Frame // the function to name, fn -1 for none
	State int32          // the state and the stack of the piece, -1 where there is none: they name peer and call
	Stack int32
	Where int32 // the stack that At is on, -1: none
	NS    float64
	Chain int32 // how one came there, in Blamer.links
	Limit int   // how many are let in at once, of a pool, a limit, a lock or workers; 0: not known
	Proof Proof // of the links between the request and this
	Trust float64
	// Denied says that the time passed while a thread wanted a CPU for it and other processes had them.
	Denied bool
	// Queued says that the time passed in the run queue, behind the function.
	Queued bool
}

// Proof is what the links of a chain are known by, that of the weakest link.
type Proof uint8

// The proofs, the best first. Of a request's own goroutine there is nothing to prove.
const (
	Seen     Proof = iota // what the request's own goroutine did
	Observed              // the runtime's events say who ended the wait
	Read                  // the target's memory says what was waited for, or who started whom
	Guessed               // code and time
)

// Evidence is what a proof is called, of a timeline with that evidence for what is seen.
func (p Proof) Evidence(seen timeline.Evidence) timeline.Evidence {
	switch {
	case p == Guessed:
		return timeline.ByTime
	case p == Read, p == Seen && seen != timeline.ByTrace:
		return timeline.ByMemory
	}
	return timeline.ByTrace
}

// Link is one step of a chain, from the symptom to the cause.
type Link struct {
	Kind timeline.Kind
	At   timeline.Frame
	Role role
}

// role is what a step says.
type role uint8

// What a step of a chain says.
const (
	WaitsFor role = iota // the request waits: for the kind, in the function
	HeldBy               // what is waited for is held by a goroutine in the function
	Behind               // runs before it
	Started              // is done by a goroutine that it started
	Joins                // is done by another request
	Itself               // is answered by a handler of the same process
	WokenBy              // is ended by a goroutine in the function
)

// How many waits are followed, one behind the other: where all are guessed, and where none is.
const (
	deepest     = 8
	deepestSeen = 64
)

// shortest is the length of a wait that is followed by time alone; that is not more exact.
const shortest = int64(200e3)

// Blamer follows waits.
type Blamer struct {
	*timeline.Timeline
	resources map[resourceKey]*resource
	loads     []load
	cell      int64   // length of a load, ns
	full      []int64 // for how many ns all Ps were busy before each of the loads
	ps        float64
	running   float64        // how much it is worth that a goroutine runs: with a P, or on a CPU
	allocator timeline.Frame // who allocates most while the collector is busy
	spender   timeline.Frame // who uses most CPU time

	links  []chained
	byLink map[chained]int32
	path   []*timeline.Track       // being followed, against cycles
	turn   int                     // of whom to follow, where one stands for many
	works  map[int32]timeline.Kind // by stack, what running there is
	acts   []act                   // who did something when, by time; built when needed
	wakers map[resourceKey]*waker
	beside map[*timeline.Track]bool
	roots  map[*timeline.Track]string
	inside map[string][]timeline.Span      // by function, when who was in it
	beyond map[resourceKey][]timeline.Span // by what is waited for, when who was there without waiting

	ends    map[side][]*timeline.Track // who waits where on channels; built when needed
	listens map[string]bool            // the addresses at which the process accepts connections; built when needed

	peers map[string]int32 // by the function that reads connections, a state with their only peer
	stops []timeline.Span  // when the process was stopped; built when needed

	wakes     map[int64][]wake // by goroutine, whom it woke, by time; built when needed
	handovers map[resourceKey]*handover
	timed     map[[2]int64]bool // goroutines and stacks whose waits a timer ends at times
	spread    map[int32]float64 // by stack, how unlike its network waits are in length
	steps     int               // of the request that is followed
}

// chained is a link and what is before it.
type chained struct {
	before int32
	Link
}

// route is how one came from a request to a piece of another goroutine's life.
type route struct {
	chain int32
	proof Proof
	trust float64
	app   timeline.Frame  // the application's last function on the way
	where int32           // the stack that it is on
	queue resourceKey     // what is queued for, if edges are followed
	wait  *timeline.Piece // the last wait that another goroutine ended, and whose it was
	of    *timeline.Track
}

// via is the route behind one more link.
func (b *Blamer) via(r route, l Link, p Proof, trust float64) route {
	return b.viaStack(r, l, -1, p, trust)
}

// viaStack is via with the stack that the link's function is on.
func (b *Blamer) viaStack(r route, l Link, stack int32, p Proof, trust float64) route {
	r.chain = b.link(r.chain, l)
	r.proof, r.trust = max(r.proof, p), r.trust*trust
	if l.At.Fn >= 0 && b.Funcs[l.At.Fn].App {
		r.app, r.where = l.At, stack
	}
	return r
}

// onlyP is what is left of an answer about CPU time if nobody but the runtime's events says who runs: they know
// who has a P, and not whether its thread has a CPU, nor which function uses it.
const onlyP = 0.75

// New prepares to follow the waits of t, which must not change any more.
func New(t *timeline.Timeline) *Blamer {
	b := &Blamer{
		Timeline: t, resources: make(map[resourceKey]*resource), byLink: make(map[chained]int32), links: make([]chained, 1),
		works: make(map[int32]timeline.Kind), wakers: make(map[resourceKey]*waker), handovers: make(map[resourceKey]*handover),
		beside: make(map[*timeline.Track]bool), roots: make(map[*timeline.Track]string), inside: make(map[string][]timeline.Span),
		peers:  make(map[string]int32),
		beyond: make(map[resourceKey][]timeline.Span),
	}
	b.running = 1
	if t.Evidence == timeline.ByTrace && t.Scans == 0 {
		b.running = onlyP
	}
	b.loadCells()
	b.ps = b.parallel()
	b.sumFull()
	b.allocator = b.findAllocator()
	b.spender = b.findSpender()
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
