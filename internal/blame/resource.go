package blame

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

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

// holders know who has what others wait for.
type holders struct {
	channels
	resources map[resourceKey]*resource
	searched  map[resourceKey]int             // by kind and function, for how many of them
	byLock    map[uint64][]place              // the waits for a lock, by its address; built when needed
	inside    map[string][]timeline.Span      // by function, when who was in it
	beyond    map[resourceKey][]timeline.Span // by what is waited for, when who was there without waiting
}

func newHolders(t facts) holders {
	return holders{channels: channels{facts: t}, resources: make(map[resourceKey]*resource), searched: make(map[resourceKey]int),
		inside: make(map[string][]timeline.Span), beyond: make(map[resourceKey][]timeline.Span)}
}

// waits says whether a piece waits for r.
func (hs *holders) waits(r *resource, p *timeline.Piece) bool {
	if p.Kind != r.kind || p.Guess {
		return false
	}
	if r.object != 0 && hs.object(p) == r.object {
		return true // wherever it asks for it
	}
	s := hs.SiteOf(p.Stack, p.Kind)
	return s.At >= 0 && s.User.Fn == r.user.Fn && !hs.other(r, p)
}

// other says whether a piece waits where r is asked for, and for something else. What is not known is not other.
func (hs *holders) other(r *resource, p *timeline.Piece) bool {
	if r.object == 0 || p.Kind != r.kind || p.On == 0 {
		return false
	}
	o := hs.object(p)
	s := hs.SiteOf(p.Stack, p.Kind)
	return o != 0 && o != r.object && s.At >= 0 && s.User.Fn == r.user.Fn
}

// holds is when which goroutine is in one of fs without waiting for r. Pieces whose stack is of an
// earlier moment belong to what is around them.
func (hs *holders) holds(r *resource, fs []timeline.Frame) []timeline.Span {
	in := make([]int32, len(hs.Stacks))
	for i := range hs.Stacks {
		in[i] = hs.deepest(int32(i), fs)
	}
	var spans []timeline.Span
	for _, g := range hs.Tracks {
		open, elsewhere := -1, false
		for i := range g.Pieces {
			p := &g.Pieces[i]
			fn := in[p.Stack]
			elsewhere = fn >= 0 && (hs.other(r, p) || elsewhere && !hs.waits(r, p))
			switch {
			case elsewhere, p.Guess && p.Kind == r.kind:
				open = -1 // it has another of the things that are asked for there, or waits, as far as is known
			case fn >= 0 && !hs.waits(r, p) && !(r.busy && p.Kind == timeline.Channel):
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

// between calls visit for the holds that overlap [from, to), clipped.
func (hs *holders) between(r *resource, from, to int64, visit func(s timeline.Span)) {
	hs.indexSpans(r)
	second := min(max((from-hs.From)/1e9, 0), int64(len(r.index)-1))
	for i := int(r.index[second]); i < len(r.spans) && r.spans[i].From < to; i++ {
		if s := r.spans[i]; s.To > from {
			visit(s)
		}
	}
}

// indexSpans finds for each second of the window the first span that may reach into it.
func (hs *holders) indexSpans(r *resource) {
	if r.index != nil {
		return
	}
	r.index = make([]int32, (hs.To-hs.From)/1e9+2)
	for i := range r.index {
		r.index[i] = int32(len(r.spans))
	}
	for i, s := range slices.Backward(r.spans) {
		first := min(max((s.From-hs.From)/1e9, 0), int64(len(r.index)-1))
		last := min(max((s.To-hs.From)/1e9, 0), int64(len(r.index)-1))
		for k := first; k <= last; k++ {
			r.index[k] = int32(i)
		}
	}
	for k := len(r.index) - 2; k >= 0; k-- {
		r.index[k] = min(r.index[k], r.index[k+1])
	}
}

// calls is when which goroutine is in a function.
func (hs *holders) calls(function string) []timeline.Span {
	if spans, ok := hs.inside[function]; ok {
		return spans
	}
	fs := hs.framesOf(function)
	var spans []timeline.Span
	if len(fs) > 0 {
		spans = hs.holds(&resource{kind: timeline.Unknown}, fs)
	}
	hs.inside[function] = spans
	return spans
}

// besides is when goroutines are in the function that asks for what p waits for and do not wait for it: one of
// them may do it for the others.
func (hs *holders) besides(p *timeline.Piece) []timeline.Span {
	k := hs.keyOf(p)
	spans, ok := hs.beyond[k]
	if site := hs.SiteOf(p.Stack, p.Kind); !ok && site.At >= 0 {
		spans = hs.holds(&resource{kind: p.Kind, user: site.User}, []timeline.Frame{{Fn: site.User.Fn}})
		hs.beyond[k] = spans
	}
	return spans
}

// members is the goroutines that have the places which their parent waits for one of: those of an errgroup
// with a limit.
func (hs *holders) members(p *timeline.Piece, s timeline.Span) (spans []timeline.Span) {
	if f := hs.Stacks[p.Stack].For; f.Role == frameworks.Limit && f.By != "" {
		for _, c := range hs.calls(f.By) {
			if c.Track.Parent == s.Track.Goid && c.From < s.To && c.To > s.From {
				spans = append(spans, c)
			}
		}
	}
	return spans
}

// atOnce is how many spans there are in the middle of a wait: no place is free then.
func atOnce(spans []timeline.Span, s timeline.Span) (n int) {
	at := s.From + (s.To-s.From)/2
	for _, c := range spans {
		if c.From <= at && c.To > at {
			n++
		}
	}
	return n
}
