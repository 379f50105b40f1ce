package blame

import (
	"iter"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// suspect is the application's function that is at work while somebody waits for r and is not when
// nobody does. The waiters' own functions are not asked: they are there whenever there are waiters.
func (hs *holders) suspect(r *resource, queue set, all int) timeline.Frame {
	active, asks := hs.activity(r)
	idle := max(float64((hs.To-hs.From)/hs.grain()+1-int64(all)), 1)
	best, most := timeline.Nowhere, 0.0
	for fn := range int32(len(hs.Funcs)) {
		c := active[fn]
		if c == nil {
			continue
		}
		common := queue.common(c)
		with, without := float64(common)/float64(all), float64(c.count()-common)/idle
		score := with - without
		if hs.Funcs[fn].Pkg == hs.Funcs[r.user.Fn].Pkg {
			score += 0.05
		}
		if receiver(hs.Funcs[fn].Name) == receiver(hs.Funcs[r.user.Fn].Name) {
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

// apart is what a goroutine does that does not wait for r, and of one that does at times, such as a kept connection's, what it does for
// other requests: from one time that none of the application's functions is on its stack to the next.
func (hs *holders) apart(r *resource, g *timeline.Track) iter.Seq[*timeline.Piece] {
	return func(yield func(*timeline.Piece) bool) {
		for from := 0; from < len(g.Pieces); {
			to, waits := from, false
			for ; to < len(g.Pieces); to++ {
				p := &g.Pieces[to]
				if r.waiters[g] && to > from && !p.Stale() && hs.Stacks[p.Stack].App < 0 {
					break
				}
				waits = waits || r.waiters[g] && hs.waits(r, p)
			}
			for ; from < to; from++ {
				if !waits && !yield(&g.Pieces[from]) {
					return
				}
			}
		}
	}
}

// receiver is a function's name up to its type's: main.(*index) of main.(*index).find.
func receiver(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }

// activity is when the application's functions are on the stack of a goroutine that is not one of
// r's waiters. For a channel, a goroutine that waits on a channel is not at work; asks is the functions
// that such goroutines wait in when they have nothing to do.
func (hs *holders) activity(r *resource) (active []set, asks []bool) {
	active, asks = make([]set, len(hs.Funcs)), make([]bool, len(hs.Funcs))
	for _, g := range hs.Tracks {
		for p := range hs.apart(r, g) {
			if p.Kind == r.kind && (p.Kind == timeline.Channel || hs.waits(r, p)) {
				if s := hs.SiteOf(p.Stack, p.Kind); s.At >= 0 {
					asks[s.User.Fn] = true
				}
				continue
			}
			for _, f := range hs.Stacks[p.Stack].Frames {
				if !hs.Funcs[f.Fn].App {
					continue
				}
				if active[f.Fn] == nil {
					active[f.Fn] = hs.newSet()
				}
				hs.fill(active[f.Fn], p.From, p.To)
			}
		}
	}
	return active, asks
}
