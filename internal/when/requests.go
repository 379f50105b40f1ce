package when

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Requests as they are recorded. Package timeline finds them in a whole recording, and knows more then: whether a function that this
// one calls is one of a stream, what labels its goroutines have. Here a request is what can be told of it as it goes on, by the same
// rules about stacks and labels: it has those of the condition if it had them for as long as others of the same keys.

const (
	maxStacks = 1 << 16 // that are remembered: beyond that all are forgotten
	maxStates = 1 << 14
)

// request is what is known of a span that is a request.
type request struct {
	had      bool  // the labels of the condition,
	with     int64 // for how long, ns,
	other    int64 // and others of the same keys
	apart    bool  // a stream, or a profile
	flushing bool
	flushed  int
	labels   map[string][]string // that it had last; not ours, read only
}

// labelled says whether it had the labels of the condition, and no others of the same keys for longer.
func (r *request) labelled() bool { return r.had && r.with >= r.other }

// requests tells what a goroutine does for requests.
type requests struct {
	functions []string // nil: the servers' handlers
	known     *timeline.Builder
	slice     map[string]timeline.Sight // of the slice being added, by state and location ids
	frames    []timeline.Frame
	key       []byte
	ids       *timeline.Identifying
	grouped   []Label // of the condition: these tell no requests apart
}

func newRequests(s timeline.Selector, c *Condition) *requests {
	r := &requests{ids: timeline.NewIdentifying(), grouped: c.Labels}
	if s.Name != "" {
		r.functions = s.Functions()
	}
	return r
}

// begin begins a slice, whose locations have ids of their own.
func (r *requests) begin() {
	r.slice = make(map[string]timeline.Sight)
	if r.known == nil || len(r.known.Stacks) > maxStacks || len(r.known.States) > maxStates {
		r.known = timeline.NewBuilder(timeline.ByTime)
	}
}

// sight reads a sample.
func (r *requests) sight(s *profile.Sample) timeline.Sight {
	state := timeline.State{Name: value(s.Label, sample.KeyState), Peer: value(s.Label, sample.KeyPeer),
		Call: value(s.Label, sample.KeySyscall)}
	r.key = append(append(append(r.key[:0], state.Name...), 0), state.Peer...)
	r.key = append(append(append(r.key, 0), state.Call...), 0)
	for _, l := range s.Location {
		r.key = binary.AppendUvarint(r.key, l.ID)
	}
	if found, ok := r.slice[string(r.key)]; ok {
		return found
	}
	r.frames = r.frames[:0]
	for _, l := range s.Location {
		for _, line := range l.Line {
			if f := line.Function; f != nil {
				r.frames = append(r.frames, timeline.Frame{Fn: r.known.Function(f.Name, f.Filename, 0)})
			}
		}
	}
	stack := r.known.Stack(r.frames)
	found := r.known.Sight(state, stack)
	if r.functions != nil {
		found.Inside = r.known.Has(&r.known.Stacks[stack], r.functions)
	}
	r.slice[string(r.key)] = found
	return found
}

// takeRequest takes up what a goroutine did next.
func (w *Watch) takeRequest(x interval) {
	sp := w.open[x.key]
	if x.sight.Inside && w.requests.another(sp, x.sample.Label) {
		w.end(x.key, sp)
		sp = nil
	}
	switch {
	case x.sight.Inside && sp == nil:
		sp = &span{from: x.from, to: x.to}
		w.open[x.key] = sp
	case sp == nil:
		return
	case !x.sight.Inside && x.sight.Stale && !x.sight.Left && x.to-x.from < timeline.Bridge:
		sp.slice = true // part of the request if it goes on
		return
	case !x.sight.Inside:
		w.end(x.key, sp)
		return
	}
	sp.from, sp.to, sp.slice = min(sp.from, x.from), max(sp.to, x.to), true
	sp.see(x)
	if sp.had = sp.had || x.in; x.in {
		sp.with += x.to - x.from
	} else if w.others(x.sample.Label) {
		sp.other += x.to - x.from
	}
}

// see takes up what an interval says of its request.
func (r *request) see(x interval) {
	if x.sight.Flushes && !r.flushing {
		r.flushed++
	}
	r.flushing = x.sight.Flushes
	r.apart = r.apart || x.sight.Apart || timeline.Streams(r.flushed)
	if isLabelled(x.sample.Label) {
		r.labels = x.sample.Label
	}
}

// another says whether labels are not those of the request that a goroutine was last seen in, if there is one: a kept connection has
// one after the other.
func (r *requests) another(last *span, now map[string][]string) bool {
	var before map[string][]string
	if last != nil {
		before = last.labels
	}
	for key, v := range now {
		if isOwn(key) && len(v) > 0 && value(before, key) != v[0] && !r.isGrouped(key) {
			r.ids.Take(key, v[0])
		}
	}
	of := func(labels map[string][]string) func(string) string {
		return func(key string) string { return value(labels, key) }
	}
	return len(before) > 0 && r.ids.Differ(of(before), of(now))
}

func (r *requests) isGrouped(key string) bool {
	return slices.ContainsFunc(r.grouped, func(l Label) bool { return l.Key == key })
}

func value(labels map[string][]string, key string) string {
	if v := labels[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// isOwn says whether a label is the program's.
func isOwn(key string) bool { return !strings.HasPrefix(key, "go.") }

// isLabelled says whether there are labels of the program's.
func isLabelled(labels map[string][]string) bool {
	for key := range labels {
		if isOwn(key) {
			return true
		}
	}
	return false
}

// others says whether labels have another value of one of the condition's.
func (w *Watch) others(labels map[string][]string) bool {
	return slices.ContainsFunc(w.c.Labels, func(l Label) bool { v := value(labels, l.Key); return v != "" && v != l.Value })
}
