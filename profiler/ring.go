package profiler

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
)

// A flight recorder records all the time and keeps little: the last seconds, until something
// happens that makes them worth having. What it keeps are the slices of a stream, each as the bytes
// of the file that it would be (compressed), so what it holds is a number of bytes and not a
// guess. Only a dump makes profiles of them again and merges them.

// DefaultRingLimit is a Ring's limit when nobody says.
const DefaultRingLimit = 160 << 20

// RingOptions say what a Ring keeps. Before has to be set.
type RingOptions struct {
	Before   time.Duration // of a trigger, is in its window
	After    time.Duration // the same
	CoolDown time.Duration // for which triggers of one kind are refused after one that was not
	Limit    int           // bytes of the slices that are held and of making a window of them, at most; 0 is DefaultRingLimit
}

// Ring keeps the last slices of a stream, and hands out those around a trigger. Trigger may be called from any goroutine, the
// other methods from the one that has the stream.
type Ring struct {
	options RingOptions
	kept    []kept // oldest first, without a gap
	bytes   int
	samples int
	cut     time.Time // what is older was dropped for the limit's sake

	mu      sync.Mutex
	pending *trigger
	last    map[string]time.Time // of the last trigger of each kind that was taken
}

type trigger struct {
	first, at time.Time // of those that were taken together: the first, the last
	kinds     []string
	why       string
}

// NewRing returns an empty ring.
func NewRing(o RingOptions) *Ring {
	if o.Limit <= 0 {
		o.Limit = DefaultRingLimit
	}
	return &Ring{options: o, last: make(map[string]time.Time)}
}

// Bytes is the size of what the ring holds now.
func (r *Ring) Bytes() int { return r.bytes }

// need is what the slices take, and what it takes to make a window of them and to write it.
func (r *Ring) need() int { return r.bytes + r.samples*fold.SampleBytes }

// Window is the slices around a trigger.
type Window struct {
	in      []kept
	trigger trigger
	held    int    // bytes in the ring
	missing string // why it is shorter than asked, or ""
}

// Trigger asks for the window around a moment; Add returns it as soon as its end is there. Triggers of one kind are
// refused, and the time from which on they will not be is returned, until CoolDown has passed after the last, and while a
// window that this kind asked for is being waited for. Kinds do not hold up one another: a trigger that comes
// while the window of another kind is being waited for makes that window longer.
func (r *Ring) Trigger(at time.Time, kind, why string) (next time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, before := r.last[kind]
	if next = last.Add(max(r.options.CoolDown, r.options.After)); before && at.Before(next) {
		return next, false
	}
	p := r.pending
	if p != nil && slices.Contains(p.kinds, kind) { // its end has passed, and its last slice is not here yet
		return p.at.Add(r.options.After), false
	}
	r.last[kind] = at
	if p == nil {
		r.pending = &trigger{at, at, []string{kind}, why}
		return at, true
	}
	p.at, p.kinds, p.why = at, append(p.kinds, kind), p.why+"; "+why
	return at, true
}

// Add takes up the next slice of a stream and drops what is too old, or too much. It returns the
// window around a trigger when this slice completes it, or is of another stream, and else nil. Errors do not harm the ring.
func (r *Ring) Add(rec *Recording) (*Window, error) {
	k, err := keep(rec)
	if err != nil {
		return nil, err
	}
	var w *Window
	if n := len(r.kept); n > 0 && !r.kept[n-1].end.Equal(k.start) { // of another stream: no window spans both
		w = r.Rest("")
		r.kept, r.bytes, r.samples = nil, 0, 0
	}
	r.kept = append(r.kept, k)
	r.bytes += len(k.data)
	r.samples += k.samples
	if t := r.due(k.end); t != nil {
		w = r.window(t, r.options.Before)
	}
	r.drop(k.start)
	return w, nil
}

// Rest is for the end of the stream, or one of its slices. It returns the window of a trigger whose end is not there yet, nil if
// there is none. If why is not empty the end is a trigger itself, which no cool-down refuses.
func (r *Ring) Rest(why string) *Window {
	r.mu.Lock()
	t := r.pending
	r.pending = nil
	r.mu.Unlock()
	if len(r.kept) == 0 {
		return nil
	}
	switch {
	case t != nil && why != "":
		t.why += "; " + why
	case t == nil && why != "":
		end := r.kept[len(r.kept)-1].end
		t = &trigger{end, end, nil, why}
	case t == nil:
		return nil
	}
	return r.window(t, r.options.Before)
}

// Last is the newest slices, as many as d takes and at most those that the ring keeps; nil if there is none yet. why says
// what it is for.
func (r *Ring) Last(d time.Duration, why string) *Window {
	if len(r.kept) == 0 {
		return nil
	}
	end := r.kept[len(r.kept)-1].end
	return r.window(&trigger{end, end, nil, why}, min(d, r.options.Before))
}

// due takes the trigger whose window ends before the given time.
func (r *Ring) due(end time.Time) *trigger {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.pending
	if t == nil || t.at.Add(r.options.After).After(end) {
		return nil
	}
	r.pending = nil
	return t
}

// drop lets go of slices that no window can need any more, of a trigger in the newest slice or
// later, and of the oldest while all need too much. The newest always stays.
func (r *Ring) drop(now time.Time) {
	from := now.Add(-r.options.Before)
	r.mu.Lock()
	if p := r.pending; p != nil && p.first.Add(-r.options.Before).Before(from) {
		from = p.first.Add(-r.options.Before)
	}
	r.mu.Unlock()
	n := 0
	for n < len(r.kept)-1 && (!r.kept[n].end.After(from) || r.need() > r.options.Limit) {
		if r.kept[n].end.After(from) {
			r.cut = r.kept[n].end
		}
		r.bytes -= len(r.kept[n].data)
		r.samples -= r.kept[n].samples
		n++
	}
	r.kept = slices.Delete(r.kept, 0, n)
}

func keep(rec *Recording) (kept, error) {
	var b bytes.Buffer
	zw, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		err = rec.Profile.WriteUncompressed(zw)
	}
	if err == nil {
		err = zw.Close()
	}
	if err != nil {
		return kept{}, fmt.Errorf("ring: %w", err)
	}
	start := rec.begin
	if start.IsZero() { // not from Stream
		start = time.Unix(0, rec.Profile.TimeNanos)
	}
	return kept{slices.Clip(b.Bytes()), start, start.Add(time.Duration(rec.Profile.DurationNanos)), rec.Summary,
		rec.fresh, len(rec.Profile.Sample)}, nil
}

// window finds the slices around a trigger, from so long before it on.
func (r *Ring) window(t *trigger, before time.Duration) *Window {
	from, to := t.first.Add(-before), t.at.Add(r.options.After)
	w := &Window{trigger: *t, held: r.bytes}
	for _, k := range r.kept {
		if k.end.After(from) && !k.start.After(to) {
			w.in = append(w.in, k)
		}
	}
	if len(w.in) == 0 {
		w.in = slices.Clone(r.kept) // a trigger from the past: what there is
	}
	if r.cut.After(from) {
		w.missing = fmt.Sprintf("the first %s of the window: there is no room for more than %d samples in %d MiB of memory",
			w.in[0].start.Sub(from).Round(time.Millisecond), r.samples, r.options.Limit>>20)
	}
	return w
}

// Recording joins the slices of the window. Any goroutine may call it while the stream goes on: it takes
// a while. The samples share their stacks and label maps: they are to be read, not changed.
func (w *Window) Recording() (*Recording, error) {
	p, err := joined(w.in)
	if err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	rec := &Recording{Profile: p, Summary: mergeSummaries(w.in)}
	s := &rec.Summary
	s.RingBytes = int64(w.held)
	s.End = fmt.Sprintf("window around %s: %s", w.trigger.first.UTC().Format(time.RFC3339Nano), w.trigger.why)
	if w.missing != "" {
		s.Denied = append(s.Denied, w.missing)
	}
	first := w.in[0].start
	p.TimeNanos, p.DurationNanos = first.UnixNano(), w.in[len(w.in)-1].end.Sub(first).Nanoseconds()
	p.Comments = s.Comments()
	return rec, nil
}

func joined(in []kept) (*profile.Profile, error) {
	j := fold.NewJoin()
	for _, k := range in {
		p, err := profile.ParseData(k.data)
		if err != nil {
			return nil, err
		}
		j.Add(p)
	}
	return j.Profile(), nil
}
