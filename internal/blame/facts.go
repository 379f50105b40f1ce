package blame

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// facts are what a timeline says of one piece, one stack, one goroutine, without a look at others.
type facts struct{ *timeline.Timeline }

// waits says whether a piece of the kind is a wait that another goroutine may end.
func waits(k timeline.Kind) bool {
	switch k {
	case timeline.Children, timeline.Channel, timeline.Lock, timeline.Pool, timeline.Limit, timeline.Network, timeline.Timer, timeline.Unknown:
		return true
	}
	return false
}

// shortest is the length of a wait that is followed by time alone; that is not more exact.
const shortest = int64(200e3)

// resourceKey is what a piece waits for, as far as the place in the code and the target's memory tell it apart.
type resourceKey struct {
	kind   timeline.Kind
	fn     int32
	object uint64 // what is waited for there; 0: not known
}

// dials says whether a stack is one of opening a connection.
func (t facts) dials(stack int32) bool {
	return slices.ContainsFunc(t.Stacks[stack].Frames, func(f timeline.Frame) bool {
		return t.Funcs[f.Fn].Framework.Role == frameworks.Dials
	})
}

// broadcasts says whether a stack lets all waiters go at once.
func (t facts) broadcasts(stack int32) bool { return t.Has(&t.Stacks[stack], names.Broadcasts) }

// family is a function's name without the closures in it.
func (t facts) family(f timeline.Frame) string {
	if f.Fn < 0 {
		return ""
	}
	name := t.Funcs[f.Fn].Name
	for _, suffix := range []string{".func", ".gowrap", ".deferwrap"} {
		if i := strings.LastIndex(name, suffix); i > strings.LastIndexByte(name, ')') && i > 0 {
			name = name[:i]
		}
	}
	return name
}

func (t facts) keyOf(p *timeline.Piece) resourceKey {
	return resourceKey{p.Kind, t.SiteOf(p.Stack, p.Kind).User.Fn, t.object(p)}
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

// polls says whether a piece is a wait of the goroutine itself for the network poller.
func (t facts) polls(p *timeline.Piece) bool { return t.States[p.State].Name == "IO wait" }

// joins says whether a piece waits for a call that another request makes.
func (t facts) joins(p *timeline.Piece) bool { return t.Stacks[p.Stack].For.Role == frameworks.Joins }

// around is how far from a timer's time the end of a wait may be seen: a scan, and what it takes to get going.
const around = int64(3e6)

// object is the one thing that a piece's kind of resource is told apart by: the lock, or the full channel that it would
// send to. Of other channels there is mostly a new one each time.
func (t facts) object(p *timeline.Piece) uint64 {
	for _, o := range t.Objects[p.On] {
		if p.Kind == timeline.Lock && (o.Kind == sample.Mutex || o.Kind == sample.RWMutex) || full(o) {
			return o.Addr
		}
	}
	return 0
}

// full says whether a channel has room for some and has none left.
func full(o sample.Object) bool { return o.Kind == sample.Chan && o.Op == sample.Send && o.Cap > 0 }

// timer says whether a piece waits for time: for nothing else, or for something else too and the time had come.
func (t facts) timer(p *timeline.Piece, s timeline.Span) bool {
	list := t.Objects[p.On]
	if len(list) == 1 && list[0].Kind == sample.Timer {
		return true
	}
	end := t.endOf(p, s.Track)
	for _, o := range list {
		if o.Kind == sample.Timer && o.Due != 0 && t.Epoch != 0 && abs(end-(o.Due+t.Epoch)) < around {
			return true
		}
	}
	return false
}

// endOf is when a wait ended: one that lasts is recorded in several pieces.
func (t facts) endOf(p *timeline.Piece, g *timeline.Track) int64 {
	i, _ := slices.BinarySearchFunc(g.Pieces, p.From, func(q timeline.Piece, at int64) int { return cmp.Compare(q.From, at) })
	end := p.To
	for i++; i < len(g.Pieces) && g.Pieces[i].From == end && g.Pieces[i].On == p.On && g.Pieces[i].Stack == p.Stack; i++ {
		end = g.Pieces[i].To
	}
	return end
}

// framesOf is a function of the profile, by name; none if it is on no stack.
func (t facts) framesOf(function string) (fs []timeline.Frame) {
	for i := range t.Funcs {
		if function != "" && t.Funcs[i].Name == function {
			fs = append(fs, timeline.Frame{Fn: int32(i)})
		}
	}
	return fs
}

// deepest is the function of fs that is on a stack, the nearest to the leaf, or -1.
func (t facts) deepest(stack int32, fs []timeline.Frame) int32 {
	for _, g := range t.Stacks[stack].Frames {
		for _, f := range fs {
			if f.Fn == g.Fn && t.On(stack, f) {
				return f.Fn
			}
		}
	}
	return -1
}

// placeOf is the application's function that a goroutine is in longest in a stretch of time.
func (t facts) placeOf(g *timeline.Track, s timeline.Span) timeline.Frame {
	time := map[timeline.Frame]int64{}
	best := timeline.Nowhere
	g.During(s.From, s.To, func(p *timeline.Piece, from, to int64) {
		st := &t.Stacks[p.Stack]
		if st.App < 0 {
			return
		}
		f := st.Frames[t.outermost(st)]
		if time[f] += to - from; best.Fn < 0 || time[f] > time[best] {
			best = f
		}
	})
	return best
}

// outermost is the application's frame nearest to the root.
func (t facts) outermost(s *timeline.Stack) int {
	for i := len(s.Frames) - 1; i >= 0; i-- {
		if t.Funcs[s.Frames[i].Fn].App {
			return i
		}
	}
	return 0
}

// hasApp says whether any code of the application is on a goroutine's stacks.
func (t facts) hasApp(g *timeline.Track) bool {
	return slices.ContainsFunc(g.Pieces, func(p timeline.Piece) bool { return t.Stacks[p.Stack].App >= 0 })
}

func abs(x int64) int64 { return max(x, -x) }
