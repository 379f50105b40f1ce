package blame

import (
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

// Blamer follows waits.
type Blamer struct {
	facts
	loads
	ends
	wakers
	holders
	chains

	running   float64        // how much it is worth that a goroutine runs: with a P, or on a CPU
	allocator timeline.Frame // who allocates most while the collector is busy
	spender   timeline.Frame // who uses most CPU time

	path  []*timeline.Track // being followed, against cycles
	steps int               // of the request that is followed
	turn  int               // of whom to follow, where one stands for many

	works   map[int32]timeline.Kind // by stack, what running there is
	peers   map[string]int32        // by the function that reads connections, a state with their only peer
	usuals  map[int32]int64         // by stack, how long answers take while CPUs are free; built when needed
	listens map[string]bool         // the addresses at which the process accepts connections; built when needed
	stops   []stop                  // when the process was stopped; built when needed
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
// who has a P, and not whether its thread has a CPU, nor which function uses it. Of 17 such answers 10 were right (docs/report.md), which
// is worth (10+1)/(17+2).
const onlyP = 0.58

// New prepares to follow the waits of t, which must not change any more.
func New(t *timeline.Timeline) *Blamer {
	f := facts{t}
	b := &Blamer{
		facts: f, loads: newLoads(f), ends: newEnds(f), wakers: newWakers(f), holders: newHolders(f), chains: newChains(),
		running: 1, works: make(map[int32]timeline.Kind), peers: make(map[string]int32),
	}
	if t.Evidence == timeline.ByTrace && t.Scans == 0 {
		b.running = onlyP
	}
	b.allocator = b.findAllocator()
	b.spender = b.loads.spender(b.allocator)
	return b
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

// BusiestStack is the stack on which a function of the application used most CPU time, -1 if it used none.
func (b *Blamer) BusiestStack(fn int32) int32 {
	time := map[int32]int64{}
	best := int32(-1)
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if p.Kind != timeline.CPU || p.Guess || b.Place(p.Stack).Fn != fn {
				continue
			}
			if time[p.Stack] += p.Length(); best < 0 || time[p.Stack] > time[best] {
				best = p.Stack
			}
		}
	}
	return best
}
