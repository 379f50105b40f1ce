package blame

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// ends are the ends of waits, by pieces that say who ended them.
type ends struct {
	facts
	wakes     map[int64][]wake // by goroutine, whom it woke, by time; built when needed
	handovers map[resourceKey]*handover
	byKind    map[timeline.Kind][]owned // the waits of a kind that have a stack; built when needed
	timed     map[[2]int64]bool         // goroutines and stacks whose waits a timer ends at times; built when needed
	spread    map[int32]float64         // by stack, how unlike its network waits are in length; built when needed
}

func newEnds(t facts) ends {
	return ends{facts: t, handovers: make(map[resourceKey]*handover), byKind: make(map[timeline.Kind][]owned)}
}

// wake is a wait that a goroutine ended.
type wake struct {
	at    int64
	stack int32 // where
	whom  *timeline.Track
}

// wakesOf is the waits that a goroutine ended, by time.
func (e *ends) wakesOf(goid int64) []wake {
	if e.wakes == nil {
		e.wakes = make(map[int64][]wake)
		for _, g := range e.Tracks {
			for i := range g.Pieces {
				if p := &g.Pieces[i]; p.By > 0 {
					e.wakes[p.By] = append(e.wakes[p.By], wake{p.To, p.ByStack, g})
				}
			}
		}
		for _, ws := range e.wakes {
			slices.SortFunc(ws, func(a, b wake) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.whom.Goid, b.whom.Goid)) })
		}
	}
	return e.wakes[goid]
}

// serves says whether a goroutine let another one go from the same place while p waited, in an earlier run
// of its own: then it serves one after the other. What it lets go in one run it lets go at once.
func (e *ends) serves(p *timeline.Piece, u *timeline.Track, s timeline.Span) bool {
	run := runOf(u, s.To)
	ws := e.wakesOf(p.By)
	i, _ := slices.BinarySearchFunc(ws, s.From, func(w wake, at int64) int { return cmp.Compare(w.at, at) })
	for ; i < len(ws) && ws[i].at < run; i++ {
		if ws[i].stack == p.ByStack && ws[i].whom != s.Track {
			return true
		}
	}
	return false
}

// again says whether the waiter was let go by the same goroutine just before, and went on waiting: it was not yet
// its turn.
func (e *ends) again(p *timeline.Piece, g *timeline.Track) bool {
	i, _ := slices.BinarySearchFunc(g.Pieces, p.From, func(q timeline.Piece, at int64) int { return cmp.Compare(q.From, at) })
	for i--; i >= 0; i-- {
		if q := &g.Pieces[i]; waits(q.Kind) {
			return q.By == p.By && q.Stack == p.Stack && q.ByStack == p.ByStack
		}
	}
	return false
}

// demultiplexes says whether all that a goroutine waited for in a stretch of time is the network, at one
// place: it hands on what comes in for many, and serves nobody.
func (e *ends) demultiplexes(g *timeline.Track, s timeline.Span) bool {
	at, any, only := int32(-1), false, true
	g.During(s.From, s.To, func(p *timeline.Piece, _, _ int64) {
		if !waits(p.Kind) {
			return
		}
		only = only && e.polls(p) && (at < 0 || at == p.Stack)
		at, any = p.Stack, true
	})
	return any && only
}

// queues says what kind of queue a wait is one in: for a lock, a pool, a limit, or for a goroutine that
// serves one after the other (Channel). Unknown: none, whoever ended it works for the waiter.
func (e *ends) queues(p *timeline.Piece, r *timeline.Request, s timeline.Span) timeline.Kind {
	u := e.ByID[p.By]
	kid := u.Parent == s.Track.Goid && (r == nil || u.Pieces[0].From >= r.From)
	switch {
	case e.joins(p), e.Stacks[p.Stack].For.Role == frameworks.Batch:
		return timeline.Unknown
	case p.Kind == timeline.Lock, p.Kind == timeline.Limit:
		return p.Kind
	case p.Kind == timeline.Pool && !kid && !e.dials(p.ByStack):
		return timeline.Pool
	case p.Kind != timeline.Channel || kid:
		return timeline.Unknown
	case !e.broadcasts(p.ByStack) && e.handsOver(p):
		return timeline.Limit
	case (e.serves(p, u, s) || e.again(p, s.Track)) && !e.demultiplexes(u, s):
		return timeline.Channel
	}
	return timeline.Unknown
}

// handover is how waiters at one place are let go.
type handover struct {
	ends     int            // waits that a goroutine ended
	left     int            // of them, when others went on waiting
	together int            // of them, when another's ended with it, by the same goroutine
	waiters  map[int64]bool // who waits there at times
}

// owned is a piece of a goroutine's life.
type owned struct {
	*timeline.Piece
	goid int64
}

// ofKind are the waits of a kind that have a stack: there may be many places, and millions of pieces to look through for each.
func (e *ends) ofKind(k timeline.Kind) []owned {
	all, ok := e.byKind[k]
	if ok {
		return all
	}
	for _, g := range e.Tracks {
		for i := range g.Pieces {
			if p := &g.Pieces[i]; p.Kind == k && p.Stack != e.Nothing {
				all = append(all, owned{p, g.Goid})
			}
		}
	}
	e.byKind[k] = all
	return all
}

// settle is how long others may be let go after one, by the same loop.
const settle = int64(200e3)

// handover counts how the waits of a place end.
func (e *ends) handover(k resourceKey) *handover {
	if h := e.handovers[k]; h != nil {
		return h
	}
	h := &handover{waiters: make(map[int64]bool)}
	e.handovers[k] = h
	var waits []*timeline.Piece
	for _, w := range e.ofKind(k.kind) {
		if e.keyOf(w.Piece) == k {
			waits = append(waits, w.Piece)
			h.waiters[w.goid] = true
		}
	}
	begins := make([]int64, len(waits))
	ends := make([]int64, len(waits))
	for i, p := range waits {
		begins[i], ends[i] = p.From, p.To
	}
	slices.Sort(begins)
	slices.Sort(ends)
	slices.SortFunc(waits, func(a, b *timeline.Piece) int { return cmp.Compare(a.To, b.To) })
	for i, p := range waits {
		if p.By <= 0 {
			continue
		}
		h.ends++
		begun, _ := slices.BinarySearch(begins, p.To)
		over, _ := slices.BinarySearch(ends, p.To+settle)
		if begun > over {
			h.left++
		}
		if i > 0 && near(waits[i-1], p) || i+1 < len(waits) && near(p, waits[i+1]) {
			h.together++
		}
	}
	return h
}

func near(a, b *timeline.Piece) bool { return a.By == b.By && b.To-a.To < settle }

// handsOver says whether waiters at p's place are let go one at a time, by those who waited there
// themselves or went through the same function: a channel as a semaphore.
func (e *ends) handsOver(p *timeline.Piece) bool {
	k := e.keyOf(p)
	w := e.handover(k)
	same := e.family(e.Place(p.Stack)) == e.family(e.Place(p.ByStack)) && e.Stacks[p.ByStack].App >= 0
	return (same || w.waiters[p.By]) && w.left*5 >= w.ends && w.together*3 < w.ends
}

// isTimed says whether a timer ends a goroutine's waits with a stack at times.
func (e *ends) isTimed(g *timeline.Track, stack int32) bool {
	if e.timed == nil {
		e.timed = make(map[[2]int64]bool)
		for _, g := range e.Tracks {
			for i := range g.Pieces {
				if p := &g.Pieces[i]; p.By == timeline.Runtime && p.Kind == timeline.Channel {
					e.timed[[2]int64{g.Goid, int64(p.Stack)}] = true
				}
			}
		}
	}
	return e.timed[[2]int64{g.Goid, int64(stack)}]
}

// together is how short a pause between two waits with one stack is that are one wait: a select that goes on.
const together = int64(2e6)

// spreadOf is the 90th percentile of the waits for the network with a stack over the 25th, of whole waits of a
// millisecond and more.
func (e *ends) spreadOf(stack int32) float64 {
	if e.spread == nil {
		e.spread = make(map[int32]float64)
		for at, waits := range e.answers() {
			var ls []int64
			for _, s := range waits {
				if s.To-s.From >= 1e6 {
					ls = append(ls, s.To-s.From)
				}
			}
			if slices.Sort(ls); len(ls) >= 20 {
				e.spread[at] = float64(ls[len(ls)*9/10]) / float64(ls[len(ls)/4])
			}
		}
	}
	return e.spread[stack]
}

// answers are the whole waits for the network, by stack.
func (e *ends) answers() map[int32][]timeline.Span {
	spans := make(map[int32][]timeline.Span)
	for _, g := range e.Tracks {
		var from, to int64
		at := int32(-1)
		end := func() {
			if at >= 0 {
				spans[at] = append(spans[at], timeline.Span{Track: g, From: from, To: to})
			}
		}
		for i := range g.Pieces {
			p := &g.Pieces[i]
			switch {
			case !waits(p.Kind):
			case p.Kind == timeline.Network && p.Stack == at && p.From-to < together:
				to = p.To
			default:
				end()
				if at, from, to = -1, p.From, p.To; p.Kind == timeline.Network {
					at = p.Stack
				}
			}
		}
		end()
	}
	return spans
}
