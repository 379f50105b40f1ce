package blame

import "github.com/mayfly-profiler/mayfly/internal/timeline"

// Who holds what the others wait for? Nobody says, so it is inferred: a holder is a goroutine that
// went through the same code and does not wait there. That code is the function that asks for the
// resource; where it only asks for others (a library's begin, whose lock the library's commit gives
// back), the next function towards the root, up to the application's own. If none of those is on any
// other stack while somebody waits, the holder came from elsewhere: then it is the function that runs
// while somebody waits and does not when nobody does.

// resource finds out who holds what a piece waits for.
func (hs *holders) resource(p *timeline.Piece, k timeline.Kind) *resource {
	s := hs.SiteOf(p.Stack, k)
	if s.At < 0 {
		return nil
	}
	key := resourceKey{k, s.User.Fn, hs.object(p)}
	r, ok := hs.resources[key]
	if !ok {
		r = hs.search(key, p, s)
		hs.resources[key] = r
	}
	return r
}

// mostSearched is for how many things that are waited for at one place it is searched who has them, each in all that was recorded.
const mostSearched = 50

// search finds out who holds what a piece waits for. Of hundreds of locks that are asked for at one place, those of whose queue it is
// not clear who leaves it are taken for one.
func (hs *holders) search(key resourceKey, p *timeline.Piece, s timeline.Site) *resource {
	r := &resource{kind: key.kind, as: key.kind, user: s.User, app: hs.Place(p.Stack), object: key.object, proof: Guessed,
		waiters: map[*timeline.Track]bool{}}
	place := resourceKey{kind: key.kind, fn: key.fn}
	many := hs.searched[place] >= mostSearched
	switch {
	case hs.passed(r, !many):
		return r
	case many && key != place:
		all, ok := hs.resources[place]
		if !ok {
			all = hs.search(place, p, s)
			hs.resources[place] = all
		}
		return all
	}
	hs.searched[place]++
	hs.find(r, p.Stack, s)
	hs.counted(r, p)
	return r
}

// find fills in who holds r.
func (hs *holders) find(r *resource, stack int32, s timeline.Site) {
	queue := hs.queue(r)
	all := queue.count()
	if all == 0 {
		return
	}
	for _, candidates := range hs.candidates(r, stack, s) {
		spans := hs.holds(r, candidates)
		usual, common := median(spans), queue.common(hs.cells(spans))
		limit, share := hs.concurrency(queue, spans)
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
	if f := hs.suspect(r, queue, all); f.Fn >= 0 {
		r.spans, r.trust = hs.holds(r, []timeline.Frame{f}), timeTrust
		if limit, share := hs.concurrency(queue, r.spans); share >= mostly {
			r.limit = limit
		}
	}
}

// mostly is the share of the time that a queue is there in which as many hold what it is for as are let in.
const mostly = 0.5

// candidates are the functions that holders may be in, the likeliest first.
func (hs *holders) candidates(r *resource, stack int32, s timeline.Site) [][]timeline.Frame {
	switch r.kind {
	case timeline.Pool:
		if by := hs.framesOf(hs.Stacks[stack].For.By); len(by) > 0 {
			return [][]timeline.Frame{by}
		}
		return [][]timeline.Frame{hs.users(stack)}
	}
	var all [][]timeline.Frame
	for _, f := range hs.Stacks[stack].Frames[s.At:] {
		if len(all) > 0 {
			f.Line = 0
		}
		all = append(all, []timeline.Frame{f})
		if hs.Funcs[f.Fn].App {
			break
		}
	}
	return all
}

// queue is when somebody waits for r.
func (hs *holders) queue(r *resource) set {
	q := hs.newSet()
	for _, g := range hs.Tracks {
		for i := range g.Pieces {
			if p := &g.Pieces[i]; hs.waits(r, p) {
				hs.fill(q, p.From, p.To)
				r.waiters[g] = true
			}
		}
	}
	return q
}
