package blame

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// wake is a wait that a goroutine ended.
type wake struct {
	at    int64
	stack int32 // where
	whom  *timeline.Track
}

// wakesOf is the waits that a goroutine ended, by time.
func (b *Blamer) wakesOf(goid int64) []wake {
	if b.wakes == nil {
		b.wakes = make(map[int64][]wake)
		for _, g := range b.Tracks {
			for i := range g.Pieces {
				if p := &g.Pieces[i]; p.By > 0 {
					b.wakes[p.By] = append(b.wakes[p.By], wake{p.To, p.ByStack, g})
				}
			}
		}
		for _, ws := range b.wakes {
			slices.SortFunc(ws, func(a, b wake) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.whom.Goid, b.whom.Goid)) })
		}
	}
	return b.wakes[goid]
}

// serves says whether a goroutine let another one go from the same place while p waited, in an earlier run
// of its own: then it serves one after the other. What it lets go in one run it lets go at once.
func (b *Blamer) serves(p *timeline.Piece, u *timeline.Track, s timeline.Span) bool {
	run := runOf(u, s.To)
	ws := b.wakesOf(p.By)
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
func (b *Blamer) again(p *timeline.Piece, g *timeline.Track) bool {
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
func (b *Blamer) demultiplexes(g *timeline.Track, s timeline.Span) bool {
	at, any, only := int32(-1), false, true
	g.During(s.From, s.To, func(p *timeline.Piece, _, _ int64) {
		if !waits(p.Kind) {
			return
		}
		only = only && b.polls(p) && (at < 0 || at == p.Stack)
		at, any = p.Stack, true
	})
	return any && only
}

// queues says what kind of queue a wait is one in: for a lock, a pool, a limit, or for a goroutine that
// serves one after the other (Channel). Unknown: none, whoever ended it works for the waiter.
func (b *Blamer) queues(p *timeline.Piece, r *timeline.Request, s timeline.Span) timeline.Kind {
	u := b.ByID[p.By]
	kid := u.Parent == s.Track.Goid && (r == nil || u.Pieces[0].From >= r.From)
	switch {
	case b.joins(p), b.Stacks[p.Stack].For.Role == frameworks.Batch:
		return timeline.Unknown
	case p.Kind == timeline.Lock, p.Kind == timeline.Limit:
		return p.Kind
	case p.Kind == timeline.Pool && !kid && !b.dials(p.ByStack):
		return timeline.Pool
	case p.Kind != timeline.Channel || kid:
		return timeline.Unknown
	case !b.broadcasts(p.ByStack) && b.handsOver(p):
		return timeline.Limit
	case (b.serves(p, u, s) || b.again(p, s.Track)) && !b.demultiplexes(u, s):
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

// settle is how long others may be let go after one, by the same loop.
const settle = int64(200e3)

// handover counts how the waits of a place end.
func (b *Blamer) handover(k resourceKey) *handover {
	if h := b.handovers[k]; h != nil {
		return h
	}
	h := &handover{waiters: make(map[int64]bool)}
	b.handovers[k] = h
	var waits []*timeline.Piece
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			if p := &g.Pieces[i]; p.Kind == k.kind && p.Stack != b.Nothing && b.keyOf(p) == k {
				waits = append(waits, p)
				h.waiters[g.Goid] = true
			}
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
func (b *Blamer) handsOver(p *timeline.Piece) bool {
	k := b.keyOf(p)
	w := b.handover(k)
	same := b.family(b.Place(p.Stack)) == b.family(b.Place(p.ByStack)) && b.Stacks[p.ByStack].App >= 0
	return (same || w.waiters[p.By]) && w.left*5 >= w.ends && w.together*3 < w.ends
}

// isTimed says whether a timer ends a goroutine's waits with a stack at times.
func (b *Blamer) isTimed(g *timeline.Track, stack int32) bool {
	if b.timed == nil {
		b.timed = make(map[[2]int64]bool)
		for _, g := range b.Tracks {
			for i := range g.Pieces {
				if p := &g.Pieces[i]; p.By == timeline.Runtime && p.Kind == timeline.Channel {
					b.timed[[2]int64{g.Goid, int64(p.Stack)}] = true
				}
			}
		}
	}
	return b.timed[[2]int64{g.Goid, int64(stack)}]
}

// together is how short a pause between two waits with one stack is that are one wait: a select that goes on.
const together = int64(2e6)

// spreadOf is the 90th percentile of the waits for the network with a stack over the 25th, of whole waits of a
// millisecond and more.
func (b *Blamer) spreadOf(stack int32) float64 {
	if b.spread == nil {
		b.spread = make(map[int32]float64)
		for at, ls := range b.answerTimes() {
			if slices.Sort(ls); len(ls) >= 20 {
				b.spread[at] = float64(ls[len(ls)*9/10]) / float64(ls[len(ls)/4])
			}
		}
	}
	return b.spread[stack]
}

// answerTimes is how long waits for the network took, by stack.
func (b *Blamer) answerTimes() map[int32][]int64 {
	lengths := make(map[int32][]int64)
	for _, g := range b.Tracks {
		var from, to int64
		at := int32(-1)
		end := func() {
			if at >= 0 && to-from >= 1e6 {
				lengths[at] = append(lengths[at], to-from)
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
	return lengths
}
