package blame

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Who holds what the others wait for? Nobody says, so it is inferred: a holder is a goroutine that
// went through the same code and does not wait there. That code is the function that asks for the
// resource; where it only asks for others (a library's begin, whose lock the library's commit gives
// back), the next function towards the root, up to the application's own. If none of those is on any
// other stack while somebody waits, the holder came from elsewhere: then it is the function that runs
// while somebody waits and does not when nobody does.

// mostBits is how finely the window is cut to count what is at the same time as what: to the ms in
// recordings of minutes.
const mostBits = 200_000

// resource is what goroutines wait for at one place in the code.
type resource struct {
	kind    timeline.Kind   // of the waits
	as      timeline.Kind   // what it is: a channel can be a limit
	limit   int             // how many have it at once while others wait, 0: not known
	trust   float64         // how sure it is that these have it,
	proof   Proof           // and by what
	object  uint64          // its address; 0: not known
	user    timeline.Frame  // who asks for it
	app     timeline.Frame  // the application's function that it asks for
	spans   []timeline.Span // who has it when, by begin
	index   []int32         // for each second of the window, the first span that may reach into it
	usual   int64           // length of a hold by those who wait here otherwise
	waiters map[*timeline.Track]bool
	busy    bool // who waits on a channel has nothing to do, and so does not hold it
}

type resourceKey struct {
	kind   timeline.Kind
	fn     int32
	object uint64 // what is waited for there; 0: not known
}

// set is a set of moments of the window.
type set []uint64

// grain is the length of a moment.
func (b *Blamer) grain() int64 { return max(1e6, (b.To-b.From)/mostBits) }

func (b *Blamer) newSet() set { return make(set, (b.To-b.From)/b.grain()/64+2) }

// fill adds the moments of a stretch of time to a set.
func (b *Blamer) fill(s set, from, to int64) {
	grain := b.grain()
	from, to = (from-b.From)/grain, (to-b.From)/grain
	i, end := max(from, 0), min(max(to, from+1), int64(len(s))*64)
	for ; i < end && i%64 != 0; i++ {
		s[i/64] |= 1 << (i % 64)
	}
	for ; i+64 <= end; i += 64 {
		s[i/64] = ^uint64(0)
	}
	for ; i < end; i++ {
		s[i/64] |= 1 << (i % 64)
	}
}

func (s set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s set) common(o set) (n int) {
	for i, w := range s {
		n += bits.OnesCount64(w & o[i])
	}
	return n
}

// resource finds out who holds what a piece waits for.
func (b *Blamer) resource(p *timeline.Piece, k timeline.Kind) *resource {
	s := b.SiteOf(p.Stack, k)
	if s.At < 0 {
		return nil
	}
	key := resourceKey{k, s.User.Fn, b.object(p)}
	r, ok := b.resources[key]
	if !ok {
		r = &resource{kind: k, as: k, user: s.User, app: b.Place(p.Stack), object: key.object, proof: Guessed,
			waiters: map[*timeline.Track]bool{}}
		b.resources[key] = r
		if !b.passed(r) {
			b.holders(r, p.Stack, s)
			b.counted(r, p)
		}
	}
	return r
}

// holders fills in who holds r.
func (b *Blamer) holders(r *resource, stack int32, s timeline.Site) {
	queue := b.queue(r)
	all := queue.count()
	if all == 0 {
		return
	}
	for _, candidates := range b.candidates(r, stack, s) {
		spans := b.holds(r, candidates)
		usual, common := median(spans), queue.common(b.cells(spans))
		limit, share := b.concurrency(queue, spans)
		switch {
		case 2*common < all:
			continue
		case r.kind == timeline.Channel && (limit == 0 || share < mostly || 5*common < 4*all):
			continue
		case r.kind == timeline.Channel:
			r.as = timeline.Limit
		}
		r.spans, r.usual, r.trust = spans, usual, codeTrust
		if share >= mostly {
			r.limit, r.trust = limit, limitTrust
		}
		return
	}
	r.busy = true
	if f := b.suspect(r, queue, all); f.Fn >= 0 {
		r.spans, r.trust = b.holds(r, []timeline.Frame{f}), timeTrust
	}
}

// mostly is the share of the time that a queue is there in which as many hold what it is for as are let in.
const mostly = 0.5

// concurrency is how many hold a resource while others wait for it, as often as not, and in which share of
// that time they are as many.
func (b *Blamer) concurrency(queue set, spans []timeline.Span) (n int, share float64) {
	grain := b.grain()
	change := make([]int32, len(queue)*64+1)
	for _, s := range spans {
		from, to := (s.From-b.From+grain/2)/grain, (s.To-b.From+grain/2)/grain
		from, to = min(max(from, 0), int64(len(change)-1)), min(max(to, 0), int64(len(change)-1))
		change[from]++
		change[to]--
	}
	seen := map[int32]int{}
	now, all := int32(0), 0
	for i := range len(queue) * 64 {
		if now += change[i]; queue[i/64]>>(i%64)&1 == 1 {
			seen[now]++
			all++
		}
	}
	best := int32(0)
	for k, times := range seen {
		if k > 0 && (times > seen[best] || best == 0 || times == seen[best] && k < best) {
			best = k
		}
	}
	return int(best), float64(seen[best]) / float64(max(all, 1))
}

// candidates are the functions that holders may be in, the likeliest first.
func (b *Blamer) candidates(r *resource, stack int32, s timeline.Site) [][]timeline.Frame {
	switch r.kind {
	case timeline.Pool:
		if by := b.framesOf(b.Stacks[stack].For.By); len(by) > 0 {
			return [][]timeline.Frame{by}
		}
		return [][]timeline.Frame{b.users(stack)}
	}
	var all [][]timeline.Frame
	for _, f := range b.Stacks[stack].Frames[s.At:] {
		if len(all) > 0 {
			f.Line = 0
		}
		all = append(all, []timeline.Frame{f})
		if b.Funcs[f.Fn].App {
			break
		}
	}
	return all
}

// framesOf is a function of the profile, by name; none if it is on no stack.
func (b *Blamer) framesOf(function string) (fs []timeline.Frame) {
	for i := range b.Funcs {
		if function != "" && b.Funcs[i].Name == function {
			fs = append(fs, timeline.Frame{Fn: int32(i)})
		}
	}
	return fs
}

func median(spans []timeline.Span) int64 {
	lengths := make([]int64, len(spans))
	for i, s := range spans {
		lengths[i] = s.To - s.From
	}
	if len(lengths) == 0 {
		return 0
	}
	slices.Sort(lengths)
	return lengths[(len(lengths)-1)/2]
}

// waits says whether a piece waits for r.
func (b *Blamer) waits(r *resource, p *timeline.Piece) bool {
	if p.Kind != r.kind || p.Guess {
		return false
	}
	s := b.SiteOf(p.Stack, p.Kind)
	return s.At >= 0 && s.User.Fn == r.user.Fn && !b.other(r, p)
}

// queue is when somebody waits for r.
func (b *Blamer) queue(r *resource) set {
	q := b.newSet()
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			if p := &g.Pieces[i]; b.waits(r, p) {
				b.fill(q, p.From, p.To)
				r.waiters[g] = true
			}
		}
	}
	return q
}

func (b *Blamer) cells(spans []timeline.Span) set {
	c := b.newSet()
	for _, s := range spans {
		b.fill(c, s.From, s.To)
	}
	return c
}

// holds is when which goroutine is in one of fs without waiting for r. Pieces whose stack is of an
// earlier moment belong to what is around them.
func (b *Blamer) holds(r *resource, fs []timeline.Frame) []timeline.Span {
	in := make([]int32, len(b.Stacks))
	for i := range b.Stacks {
		in[i] = b.deepest(int32(i), fs)
	}
	var spans []timeline.Span
	for _, g := range b.Tracks {
		open, elsewhere := -1, false
		for i := range g.Pieces {
			p := &g.Pieces[i]
			fn := in[p.Stack]
			elsewhere = fn >= 0 && (b.other(r, p) || elsewhere && !b.waits(r, p))
			switch {
			case elsewhere:
				open = -1 // it has another of the things that are asked for there
			case fn >= 0 && !b.waits(r, p) && !(r.busy && p.Kind == timeline.Channel):
				if open < 0 || spans[open].Fn != fn {
					open = len(spans)
					spans = append(spans, timeline.Span{Track: g, From: p.From, To: p.To, Fn: fn})
				}
				spans[open].To = p.To
			case open >= 0 && p.Stale() && p.From-spans[open].To+p.Length() < timeline.Bridge:
			default:
				open = -1
			}
		}
	}
	slices.SortFunc(spans, func(a, b timeline.Span) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Track.Goid, b.Track.Goid))
	})
	return spans
}

// deepest is the function of fs that is on a stack, the nearest to the leaf, or -1.
func (b *Blamer) deepest(stack int32, fs []timeline.Frame) int32 {
	for _, g := range b.Stacks[stack].Frames {
		for _, f := range fs {
			if f.Fn == g.Fn && b.On(stack, f) {
				return f.Fn
			}
		}
	}
	return -1
}

// suspect is the application's function that is at work while somebody waits for r and is not when
// nobody does. The waiters' own functions are not asked: they are there whenever there are waiters.
func (b *Blamer) suspect(r *resource, queue set, all int) timeline.Frame {
	active, asks := b.activity(r)
	idle := max(float64((b.To-b.From)/b.grain()+1-int64(all)), 1)
	best, most := timeline.Nowhere, 0.0
	for fn := range int32(len(b.Funcs)) {
		c := active[fn]
		if c == nil {
			continue
		}
		common := queue.common(c)
		with, without := float64(common)/float64(all), float64(c.count()-common)/idle
		score := with - without
		if b.Funcs[fn].Pkg == b.Funcs[r.user.Fn].Pkg {
			score += 0.05
		}
		if receiver(b.Funcs[fn].Name) == receiver(b.Funcs[r.user.Fn].Name) {
			score += 0.05
		}
		if asks[fn] {
			score += 0.05
		}
		if with >= 0.6 && without < 0.8*with && score > most {
			best, most = timeline.Frame{Fn: fn}, score
		}
	}
	return best
}

// receiver is a function's name up to its type's: main.(*index) of main.(*index).find.
func receiver(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }

// activity is when the application's functions are on the stack of a goroutine that is not one of
// r's waiters. For a channel, a goroutine that waits on a channel is not at work; asks is the functions
// that such goroutines wait in when they have nothing to do.
func (b *Blamer) activity(r *resource) (active []set, asks []bool) {
	active, asks = make([]set, len(b.Funcs)), make([]bool, len(b.Funcs))
	for _, g := range b.Tracks {
		if r.waiters[g] {
			continue
		}
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if p.Kind == r.kind && (p.Kind == timeline.Channel || b.waits(r, p)) {
				if s := b.SiteOf(p.Stack, p.Kind); s.At >= 0 {
					asks[s.User.Fn] = true
				}
				continue
			}
			for _, f := range b.Stacks[p.Stack].Frames {
				if !b.Funcs[f.Fn].App {
					continue
				}
				if active[f.Fn] == nil {
					active[f.Fn] = b.newSet()
				}
				b.fill(active[f.Fn], p.From, p.To)
			}
		}
	}
	return active, asks
}

// between calls visit for the holds that overlap [from, to), clipped.
func (b *Blamer) between(r *resource, from, to int64, visit func(s timeline.Span)) {
	b.indexSpans(r)
	second := min(max((from-b.From)/1e9, 0), int64(len(r.index)-1))
	for i := int(r.index[second]); i < len(r.spans) && r.spans[i].From < to; i++ {
		if s := r.spans[i]; s.To > from {
			visit(s)
		}
	}
}

// indexSpans finds for each second of the window the first span that may reach into it.
func (b *Blamer) indexSpans(r *resource) {
	if r.index != nil {
		return
	}
	r.index = make([]int32, (b.To-b.From)/1e9+2)
	for i := range r.index {
		r.index[i] = int32(len(r.spans))
	}
	for i, s := range slices.Backward(r.spans) {
		first := min(max((s.From-b.From)/1e9, 0), int64(len(r.index)-1))
		last := min(max((s.To-b.From)/1e9, 0), int64(len(r.index)-1))
		for k := first; k <= last; k++ {
			r.index[k] = int32(i)
		}
	}
	for k := len(r.index) - 2; k >= 0; k-- {
		r.index[k] = min(r.index[k], r.index[k+1])
	}
}

// limitOf is how many are let in at once where a piece waits, 0 if that is not known.
func (b *Blamer) limitOf(p *timeline.Piece, g *timeline.Track, k timeline.Kind) int {
	s := timeline.Span{Track: g, From: p.From, To: p.To}
	switch members := b.members(p, s); {
	case k == timeline.Lock:
		return 1
	case k == timeline.Channel:
		return b.workers(b.rootOf(b.ByID[p.By]))
	case len(members) > 0:
		return atOnce(members, s)
	}
	if r := b.resource(p, p.Kind); r != nil {
		return r.limit
	}
	return 0
}
