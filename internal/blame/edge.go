package blame

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Where pieces say who ended them, nothing need be guessed. A wait is explained by what the goroutine that
// ended it did within the wait, and nothing before: the plain critical path, which goes on to the past of
// whoever ended the last wait, comes out at the client that sent the request, whatever was slow.
//
// Three waits look alike: for somebody who works for the request (a passage), for a place in a queue whose
// places others have, one after the other, and for a server's next input. What the others do is charged to
// the first as it is, to the second as the resource's (verdict), and of the third only what the input
// itself waits for.

// followEdge charges a wait to what the goroutine did that ended it, false if there is none or the wait
// is one for the outside, whoever noticed its end: the network poller often runs in the context of some
// goroutine.
func (b *Blamer) followEdge(p *timeline.Piece, r *timeline.Request, s timeline.Span, via route, out func(Atom)) bool {
	if b.Stacks[p.Stack].Idle() && via.wait != nil {
		out(b.arrival(s, via))
		return true
	}
	u := b.ByID[p.By]
	if p.By <= 0 || u == nil || !waits(p.Kind) || b.polls(p) || b.States[p.State].Name == "sleep" || b.ofTimer(u, s) {
		return false
	}
	next := via
	next.wait, next.of = p, s.Track
	next = b.viaStack(next, Link{p.Kind, b.Place(p.Stack), WaitsFor}, p.Stack, Observed, 1)
	by := timeline.Span{Track: u, From: s.From, To: s.To}
	if k := b.queues(p, r, s); k != timeline.Unknown || b.joins(p) {
		b.followTurns(p, timeline.Span{Track: u, From: s.From, To: s.To}, k, next, out)
		return true
	}
	if at := b.Place(p.ByStack); at.Fn >= 0 && b.Funcs[at.Fn].App && at.Fn != b.Place(p.Stack).Fn {
		next = b.viaStack(next, Link{p.Kind, at, WokenBy}, p.ByStack, Observed, 1)
	}
	b.followTrack(r, by, next, out)
	return true
}

// ofTimer says whether a goroutine was started within a stretch of time, and by no other: the runtime starts one
// for a time.AfterFunc that is due, as contexts with a deadline have it.
func (b *Blamer) ofTimer(u *timeline.Track, s timeline.Span) bool {
	return u.Parent <= 0 && u.Pieces[0].From > s.From && u.Pieces[0].From <= s.To
}

// waits says whether a piece of the kind is a wait that another goroutine may end.
func waits(k timeline.Kind) bool {
	switch k {
	case timeline.Children, timeline.Channel, timeline.Lock, timeline.Pool, timeline.Limit, timeline.Network, timeline.Timer, timeline.Unknown:
		return true
	}
	return false
}

// arrival is the time that a server's goroutine, which ended a wait of another, had nothing to do: that
// other waited for input. If a timer ends that wait at times, it is what is waited for.
func (b *Blamer) arrival(s timeline.Span, via route) Atom {
	a := b.plain(via.wait, s, via)
	if b.isTimed(via.of, via.wait.Stack) {
		a.Kind = timeline.Timer
	}
	return a
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

// unborn charges the time before a goroutine was started to the one that started it, and returns where the
// goroutine's own begins.
func (b *Blamer) unborn(s timeline.Span, via route, out func(Atom)) int64 {
	born, parent := s.Track.Pieces[0].From, b.ByID[s.Track.Parent]
	if born <= s.From || born >= s.To || parent == nil || via.proof != Observed {
		return s.From
	}
	b.followTrack(nil, timeline.Span{Track: parent, From: s.From, To: born}, via, out)
	return born
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

// dials says whether a stack is one of opening a connection.
func (b *Blamer) dials(stack int32) bool {
	return slices.ContainsFunc(b.Stacks[stack].Frames, func(f timeline.Frame) bool {
		return b.Funcs[f.Fn].Framework.Role == frameworks.Dials
	})
}

// broadcasts says whether a stack lets all waiters go at once.
func (b *Blamer) broadcasts(stack int32) bool { return b.Has(&b.Stacks[stack], names.Broadcasts) }

// handsOver says whether waiters at p's place are let go one at a time, by those who waited there
// themselves or went through the same function: a channel as a semaphore.
func (b *Blamer) handsOver(p *timeline.Piece) bool {
	k := b.keyOf(p)
	w := b.handover(k)
	same := b.family(b.Place(p.Stack)) == b.family(b.Place(p.ByStack)) && b.Stacks[p.ByStack].App >= 0
	return (same || w.waiters[p.By]) && w.left*5 >= w.ends && w.together*3 < w.ends
}

// family is a function's name without the closures in it.
func (b *Blamer) family(f timeline.Frame) string {
	if f.Fn < 0 {
		return ""
	}
	name := b.Funcs[f.Fn].Name
	for _, suffix := range []string{".func", ".gowrap", ".deferwrap"} {
		if i := strings.LastIndex(name, suffix); i > strings.LastIndexByte(name, ')') && i > 0 {
			name = name[:i]
		}
	}
	return name
}

func (b *Blamer) keyOf(p *timeline.Piece) resourceKey {
	return resourceKey{p.Kind, b.SiteOf(p.Stack, p.Kind).User.Fn, b.object(p)}
}

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

// runOf is when the run of a goroutine began that it is in at a time: the end of its last wait.
func runOf(g *timeline.Track, at int64) int64 {
	i, _ := slices.BinarySearchFunc(g.Pieces, at, func(p timeline.Piece, at int64) int { return cmp.Compare(p.To, at+1) })
	for i = min(i, len(g.Pieces)-1); i >= 0; i-- {
		if p := &g.Pieces[i]; p.To <= at && waits(p.Kind) {
			return p.To
		}
	}
	return g.Pieces[0].From
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

// followTurns charges a wait in a queue to what those did, one after the other, who had what it is for: on
// meeting a wait for the same in the past of the last, it goes on to who ended that one. Those who join a call are
// let go one by one too, but nothing is theirs (Unknown).
func (b *Blamer) followTurns(p *timeline.Piece, s timeline.Span, k timeline.Kind, via route, out func(Atom)) {
	via.queue = b.keyOf(p)
	limit := b.limitOf(p, via.of, k)
	for by := p.ByStack; ; {
		w := b.sameWait(s, via.queue)
		mine := s
		if w != nil {
			mine.From = w.To
		}
		at, where := b.holder(p, by)
		t := turn{kind: k, at: at, where: where, limit: limit}
		if k == timeline.Unknown {
			b.followTrack(nil, mine, via, out)
		} else {
			b.followTrack(nil, mine, b.viaStack(via, Link{k, at, HeldBy}, where, Observed, 1), func(a Atom) { out(b.verdict(b.slowPeer(t, a), a)) })
		}
		if w == nil {
			return
		}
		next := b.ByID[w.By]
		if next == nil || w.To >= s.To && next == s.Track || b.steps > mostSteps {
			a := b.plain(p, timeline.Span{From: s.From, To: w.To}, via)
			a.Kind, a.Limit = k, limit
			out(a)
			return
		}
		by = w.ByStack
		s.Track, s.To = next, w.To
	}
}

// holder is the application's function that let the waiter go, the waiter's own if that is the same one, or
// the application has none there, and the stack that it is on.
func (b *Blamer) holder(p *timeline.Piece, by int32) (timeline.Frame, int32) {
	asks, gives := b.Place(p.Stack), b.Place(by)
	if b.Stacks[by].App < 0 || b.family(asks) == b.family(gives) {
		return asks, p.Stack
	}
	return gives, by
}

// sameWait is the last wait for the same in a stretch of a goroutine's life, nil without one.
func (b *Blamer) sameWait(s timeline.Span, k resourceKey) (last *timeline.Piece) {
	s.Track.During(s.From, s.To, func(p *timeline.Piece, _, to int64) {
		b.steps++
		if p.Kind == k.kind && p.By > 0 && p.To <= s.To && b.keyOf(p) == k {
			last = p
		}
	})
	return last
}

// stretched is how many times as long as short ones long waits for a peer are, where it is the peer that is slow,
// and not the number of connections to it that is small.
const stretched = 2.5

// slowPeer marks a turn as long if its holder waits for a peer that queues itself: its answers take longer
// the more it is asked. With more places it would be asked more.
func (b *Blamer) slowPeer(t turn, a Atom) turn {
	t.long = a.Kind == timeline.Network && (t.kind == timeline.Pool || t.kind == timeline.Limit) && b.spreadOf(a.Where) > stretched
	return t
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
