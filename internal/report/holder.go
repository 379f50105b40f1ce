package report

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
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
	kind    kind
	user    frame   // who asks for it
	app     frame   // the application's function that it asks for
	spans   []span  // who has it when, by begin
	index   []int32 // for each second of the window, the first span that may reach into it
	usual   int64   // length of a hold by those who wait here otherwise
	waiters map[*track]bool
}

type resourceKey struct {
	kind kind
	fn   int32
}

// set is a set of moments of the window.
type set []uint64

// grain is the length of a moment.
func (t *timeline) grain() int64 { return max(1e6, (t.to-t.from)/mostBits) }

func (t *timeline) newSet() set { return make(set, (t.to-t.from)/t.grain()/64+2) }

// fill adds the moments of a stretch of time to a set.
func (t *timeline) fill(s set, from, to int64) {
	grain := t.grain()
	from, to = (from-t.from)/grain, (to-t.from)/grain
	a, b := max(from, 0), min(max(to, from+1), int64(len(s))*64)
	for ; a < b && a%64 != 0; a++ {
		s[a/64] |= 1 << (a % 64)
	}
	for ; a+64 <= b; a += 64 {
		s[a/64] = ^uint64(0)
	}
	for ; a < b; a++ {
		s[a/64] |= 1 << (a % 64)
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
func (b *blamer) resource(stack int32, k kind) *resource {
	s := b.siteOf(stack, k)
	if s.at < 0 {
		return nil
	}
	key := resourceKey{k, s.user.fn}
	r, ok := b.resources[key]
	if !ok {
		r = &resource{kind: k, user: s.user, app: b.place(stack), waiters: map[*track]bool{}}
		b.resources[key] = r
		b.holders(r, stack, s)
	}
	return r
}

// holders fills in who holds r.
func (b *blamer) holders(r *resource, stack int32, s site) {
	queue := b.queue(r)
	all := queue.count()
	if all == 0 {
		return
	}
	for _, candidates := range b.candidates(r, stack, s) {
		spans := b.holds(r, candidates)
		r.usual = median(spans)
		if 2*queue.common(b.cells(spans)) >= all {
			r.spans = spans
			return
		}
	}
	if f := b.suspect(r, queue, all); f.fn >= 0 {
		r.spans = b.holds(r, []frame{f})
	}
}

// candidates are the functions that holders may be in, the likeliest first.
func (b *blamer) candidates(r *resource, stack int32, s site) [][]frame {
	switch r.kind {
	case channel:
		return nil // who is on the other end is in other code
	case pool:
		return [][]frame{b.users(stack)}
	}
	var all [][]frame
	for _, f := range b.stacks[stack].frames[s.at:] {
		if len(all) > 0 {
			f.line = 0
		}
		all = append(all, []frame{f})
		if b.funcs[f.fn].app {
			break
		}
	}
	return all
}

// users are the functions that call the package of a pool.
func (b *blamer) users(stack int32) []frame {
	i := slices.IndexFunc(b.stacks[stack].frames, func(f frame) bool { return names.Match(b.funcs[f.fn].name, acquirers) })
	pkg := b.funcs[b.stacks[stack].frames[i].fn].pkg
	known := map[int32]bool{}
	var users []frame
	for i := range b.stacks {
		frames := b.stacks[i].frames
		for k := len(frames) - 2; k >= 0; k-- {
			if b.funcs[frames[k].fn].pkg == pkg {
				if f := frames[k+1].fn; !known[f] {
					known[f] = true
					users = append(users, frame{fn: f})
				}
				break
			}
		}
	}
	return users
}

func median(spans []span) int64 {
	lengths := make([]int64, len(spans))
	for i, s := range spans {
		lengths[i] = s.to - s.from
	}
	slices.Sort(lengths)
	return quantile(lengths, 0.5)
}

// waits says whether a piece waits for r.
func (b *blamer) waits(r *resource, p *piece) bool {
	if p.kind != r.kind || p.guess {
		return false
	}
	s := b.siteOf(p.stack, p.kind)
	return s.at >= 0 && s.user.fn == r.user.fn
}

// queue is when somebody waits for r.
func (b *blamer) queue(r *resource) set {
	q := b.newSet()
	for _, g := range b.tracks {
		for i := range g.pieces {
			if p := &g.pieces[i]; b.waits(r, p) {
				b.fill(q, p.from, p.to)
				r.waiters[g] = true
			}
		}
	}
	return q
}

func (b *blamer) cells(spans []span) set {
	c := b.newSet()
	for _, s := range spans {
		b.fill(c, s.from, s.to)
	}
	return c
}

// holds is when which goroutine is in one of fs without waiting for r. Pieces whose stack is of an
// earlier moment belong to what is around them.
func (b *blamer) holds(r *resource, fs []frame) []span {
	in := make([]int32, len(b.stacks))
	for i := range b.stacks {
		in[i] = b.deepest(int32(i), fs)
	}
	var spans []span
	for _, g := range b.tracks {
		open := -1
		for i := range g.pieces {
			p := &g.pieces[i]
			fn := in[p.stack]
			switch {
			case fn >= 0 && !b.waits(r, p) && !(r.kind == channel && p.kind == channel):
				if open < 0 || spans[open].fn != fn {
					open = len(spans)
					spans = append(spans, span{g, p.from, p.to, fn})
				}
				spans[open].to = p.to
			case open >= 0 && p.stale() && p.from-spans[open].to+p.length() < bridge:
			default:
				open = -1
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.track.goid, b.track.goid))
	})
	return spans
}

// deepest is the function of fs that is on a stack, the nearest to the leaf, or -1.
func (b *blamer) deepest(stack int32, fs []frame) int32 {
	for _, g := range b.stacks[stack].frames {
		for _, f := range fs {
			if f.fn == g.fn && b.on(stack, f) {
				return f.fn
			}
		}
	}
	return -1
}

// suspect is the application's function that is at work while somebody waits for r and is not when
// nobody does. The waiters' own functions are not asked: they are there whenever there are waiters.
func (b *blamer) suspect(r *resource, queue set, all int) frame {
	active, asks := b.activity(r)
	idle := max(float64((b.to-b.from)/b.grain()+1-int64(all)), 1)
	best, most := nowhere, 0.0
	for fn := range int32(len(b.funcs)) {
		c := active[fn]
		if c == nil {
			continue
		}
		common := queue.common(c)
		with, without := float64(common)/float64(all), float64(c.count()-common)/idle
		score := with - without
		if b.funcs[fn].pkg == b.funcs[r.user.fn].pkg {
			score += 0.05
		}
		if asks[fn] {
			score += 0.05
		}
		if with >= 0.6 && without < 0.8*with && score > most {
			best, most = frame{fn: fn}, score
		}
	}
	return best
}

// activity is when the application's functions are on the stack of a goroutine that is not one of
// r's waiters. For a channel, a goroutine that waits on a channel is not at work; asks is the functions
// that such goroutines wait in when they have nothing to do.
func (b *blamer) activity(r *resource) (active []set, asks []bool) {
	active, asks = make([]set, len(b.funcs)), make([]bool, len(b.funcs))
	for _, g := range b.tracks {
		if r.waiters[g] {
			continue
		}
		for i := range g.pieces {
			p := &g.pieces[i]
			if p.kind == r.kind && (p.kind == channel || b.waits(r, p)) {
				if s := b.siteOf(p.stack, p.kind); s.at >= 0 {
					asks[s.user.fn] = true
				}
				continue
			}
			for _, f := range b.stacks[p.stack].frames {
				if !b.funcs[f.fn].app {
					continue
				}
				if active[f.fn] == nil {
					active[f.fn] = b.newSet()
				}
				b.fill(active[f.fn], p.from, p.to)
			}
		}
	}
	return active, asks
}

// between calls visit for the holds that overlap [from, to), clipped.
func (b *blamer) between(r *resource, from, to int64, visit func(s span, from, to int64)) {
	b.indexSpans(r)
	second := min(max((from-b.from)/1e9, 0), int64(len(r.index)-1))
	for i := int(r.index[second]); i < len(r.spans) && r.spans[i].from < to; i++ {
		if s := r.spans[i]; s.to > from {
			visit(s, max(s.from, from), min(s.to, to))
		}
	}
}

// indexSpans finds for each second of the window the first span that may reach into it.
func (b *blamer) indexSpans(r *resource) {
	if r.index != nil {
		return
	}
	r.index = make([]int32, (b.to-b.from)/1e9+2)
	for i := range r.index {
		r.index[i] = int32(len(r.spans))
	}
	for i, s := range slices.Backward(r.spans) {
		first := min(max((s.from-b.from)/1e9, 0), int64(len(r.index)-1))
		last := min(max((s.to-b.from)/1e9, 0), int64(len(r.index)-1))
		for k := first; k <= last; k++ {
			r.index[k] = int32(i)
		}
	}
	for k := len(r.index) - 2; k >= 0; k-- {
		r.index[k] = min(r.index[k], r.index[k+1])
	}
}
