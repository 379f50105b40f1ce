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
	own, before labelled // by labels of its own, and by those that the request before left on the goroutine
	apart       bool     // a stream, or a profile
	flushing    bool
	flushed     int
	labels      map[string][]string // of its own, that it had last; not ours, read only
	left        map[string]string   // those of the one before, if it has begun with them
}

// labelled is what the labels of a request have of those of the condition.
type labelled struct {
	had   bool  // them,
	with  int64 // for how long, ns,
	other int64 // and others of the same keys
}

func (l *labelled) add(o labelled) {
	l.had, l.with, l.other = l.had || o.had, l.with+o.with, l.other+o.other
}

// isLabelled says whether a request had the labels of the condition, and no others of the same keys for longer. What the one before left
// on counts unless the request replaced it: with the same labels at its end it only had others for something that it did.
func (r *request) isLabelled() bool {
	l := r.own
	if r.labels == nil || equal(r.left, r.labels) {
		l.add(r.before)
	}
	return l.had && l.with >= l.other
}

// requests tells what a goroutine does for requests.
type requests struct {
	functions []string // nil: the servers' handlers
	known     *timeline.Builder
	slice     map[string]timeline.Sight // of the slice being added, by state and location ids
	frames    []timeline.Frame
	key       []byte
	ids       *timeline.Identifying
	grouped   []Label          // of the condition: these tell no requests apart
	left      map[string]*left // by goroutine
}

// left is the labels that a goroutine has from a request that is over, until it gets others. pprof.Do takes its labels off again,
// SetGoroutineLabels does not.
type left struct {
	labels map[string]string
	slice  bool // it was seen in the slice being added
}

func newRequests(s timeline.Selector, c *Condition) *requests {
	r := &requests{ids: timeline.NewIdentifying(), grouped: c.Labels, left: make(map[string]*left)}
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
	sp, before := w.open[x.key], w.requests.leftOn(x)
	if x.sight.Inside && before == nil && w.requests.another(sp, x.sample.Label) {
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
	sp.see(x, before)
	l := labelled{had: x.in}
	if x.in {
		l.with = x.to - x.from
	} else if w.others(x.sample.Label) {
		l.other = x.to - x.from
	}
	if before == nil {
		sp.own.add(l)
	} else {
		sp.before.add(l)
	}
}

// see takes up what an interval says of its request; its labels are not the request's own if before is not nil.
func (r *request) see(x interval, before map[string]string) {
	if x.sight.Flushes && !r.flushing {
		r.flushed++
	}
	r.flushing = x.sight.Flushes
	r.apart = r.apart || x.sight.Apart || timeline.Streams(r.flushed)
	if before != nil {
		r.left = before
	} else if isLabelled(x.sample.Label) {
		r.labels = x.sample.Label
	}
}

// leftOn returns the labels that an interval has from the request before, nil if it has none of that.
func (r *requests) leftOn(x interval) map[string]string {
	l := r.left[x.key]
	switch {
	case x.sight.Waits && isLabelled(x.sample.Label):
		if l == nil {
			l = &left{}
			r.left[x.key] = l
		}
		if l.slice = true; !equal(l.labels, x.sample.Label) {
			l.labels = ownLabels(x.sample.Label)
		}
		return l.labels
	case l != nil && equal(l.labels, x.sample.Label):
		l.slice = true
		return l.labels
	}
	delete(r.left, x.key)
	return nil
}

// end forgets the goroutines that were not in the slice.
func (r *requests) end() {
	for key, l := range r.left {
		if !l.slice {
			delete(r.left, key)
		}
		l.slice = false
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

// ownLabels are those of the program.
func ownLabels(labels map[string][]string) map[string]string {
	own := make(map[string]string)
	for key := range labels {
		if isOwn(key) {
			own[key] = value(labels, key)
		}
	}
	return own
}

// equal says whether labels are the program's own, and no others.
func equal(own map[string]string, labels map[string][]string) bool {
	n := 0
	for key := range labels {
		if !isOwn(key) {
			continue
		}
		if v, ok := own[key]; !ok || v != value(labels, key) {
			return false
		}
		n++
	}
	return n == len(own)
}

// others says whether labels have another value of one of the condition's.
func (w *Watch) others(labels map[string][]string) bool {
	return slices.ContainsFunc(w.c.Labels, func(l Label) bool { v := value(labels, l.Key); return v != "" && v != l.Value })
}
