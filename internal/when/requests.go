package when

import (
	"encoding/binary"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Requests as they are recorded. Package timeline finds them in a whole recording, and knows more then: whether a function that this
// one calls is one of a stream, which label set a request had longest. Here a request is what can be told of it as it goes on,
// by the same rules about stacks, and it has the labels of the condition if it ever had.

const (
	maxStacks = 1 << 16 // that are remembered: beyond that all are forgotten
	maxStates = 1 << 14
	maxKeys   = 64
	many      = 16 // values, beyond which a label tells requests apart, as package timeline has it
)

// request is what is known of a span that is a request.
type request struct {
	labelled bool // it had the labels of the condition
	apart    bool // a stream, or a profile
	flushing bool
	flushed  int
	labels   map[string][]string // that it had last; not ours, read only
}

// requests tells what a goroutine does for requests.
type requests struct {
	functions []string // nil: the servers' handlers
	known     *timeline.Builder
	slice     map[string]timeline.Sight // of the slice being added, by state and location ids
	frames    []timeline.Frame
	key       []byte
	values    map[string]map[string]bool // of each label, many + 1 at most
}

func newRequests(s timeline.Selector) *requests {
	r := &requests{values: make(map[string]map[string]bool)}
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
	state := timeline.State{Name: one(s, sample.KeyState), Peer: one(s, sample.KeyPeer), Call: one(s, sample.KeySyscall)}
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

func one(s *profile.Sample, key string) string {
	if v := s.Label[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// takeRequest takes up what a goroutine did next.
func (w *Watch) takeRequest(x interval) {
	sp := w.open[x.key]
	switch {
	case x.sight.Inside && sp != nil && w.requests.another(sp.labels, x.sample.Label):
		w.end(x.key, sp)
		sp = nil
		fallthrough
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
}

// see takes up what an interval says of its request.
func (r *request) see(x interval) {
	r.labelled = r.labelled || x.in
	if x.sight.Flushes && !r.flushing {
		r.flushed++
	}
	r.flushing = x.sight.Flushes
	r.apart = r.apart || x.sight.Apart || timeline.Streams(r.flushed)
	if len(x.sample.Label) > 0 {
		r.labels = x.sample.Label
	}
}

// another says whether labels are those of another request: a kept connection has one after the other.
func (r *requests) another(before, now map[string][]string) bool {
	for key, v := range now {
		if strings.HasPrefix(key, "go.") || len(v) == 0 {
			continue
		}
		seen := r.values[key]
		if seen == nil && len(r.values) == maxKeys {
			continue
		} else if seen == nil {
			seen = make(map[string]bool)
			r.values[key] = seen
		}
		if len(seen) <= many {
			seen[v[0]] = true
		}
		if b := before[key]; len(seen) > many && len(b) > 0 && b[0] != v[0] {
			return true
		}
	}
	return false
}
