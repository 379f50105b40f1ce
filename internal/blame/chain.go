package blame

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Atom is time of a request, charged to where it was lost.
type Atom struct {
	Kind  timeline.Kind
	At    timeline.Frame // the function to name, fn -1 for none
	State int32          // the state and the stack of the piece, -1 where there is none: they name peer and call
	Stack int32
	Where int32 // the stack that At is on, -1: none
	NS    float64
	Chain int32 // how one came there, for ChainOf
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

// How much a link is worth that was inferred. What these say is held against services that know better
// (testdata/shapes): a name that depends on a link of less than 0.6 is as often wrong as right.
const (
	kidTrust         = 0.95 // the request started it, and it acts when the wait ends
	codeTrust        = 0.80 // it went through the same code, and is there while others wait
	limitTrust       = 0.80 // always the same number are behind the wait while others wait
	wakerTrust       = 0.75 // it acts when such waits end, and not otherwise
	timeTrust        = 0.50 // it is at work while others wait
	unexplainedTrust = 0.40 // nobody is known to end the wait
)

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

// lost is time of which nothing is known.
func (via route) lost(from, to int64) Atom {
	return Atom{Kind: timeline.Unknown, At: timeline.Nowhere, State: -1, Where: -1, NS: float64(to - from), Chain: via.chain,
		Proof: via.proof, Trust: via.trust}
}

// chains are the ways from symptoms to causes. Many have their beginning in common: a chain is its last link and what is before.
type chains struct {
	links  []chained
	byLink map[chained]int32
}

func newChains() chains { return chains{links: make([]chained, 1), byLink: make(map[chained]int32)} }

// link returns the chain that goes on with l after chain. A step that says the same as the last is
// left out.
func (cs *chains) link(chain int32, l Link) int32 {
	l.At.Line = 0
	if last := cs.links[chain]; chain != 0 && last.Link == l {
		return chain
	}
	c := chained{chain, l}
	id, ok := cs.byLink[c]
	if !ok {
		id = int32(len(cs.links))
		cs.links = append(cs.links, c)
		cs.byLink[c] = id
	}
	return id
}

// ChainOf is the steps of a chain, the request's own first.
func (cs *chains) ChainOf(id int32) []Link {
	var steps []Link
	for ; id != 0; id = cs.links[id].before {
		steps = append(steps, cs.links[id].Link)
	}
	slices.Reverse(steps)
	return steps
}
