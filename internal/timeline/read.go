package timeline

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A timeline profile has two kinds of samples. The goroutine table's are intervals, laid end to end
// for each goroutine, but for the time that it was on a CPU: that the on-CPU source tells, whose
// samples are points with a weight. So here the holes between a goroutine's intervals are its time on
// a CPU, and the on-CPU samples say what it did there. Each goroutine then has one track of pieces
// that do not overlap, and the time of a request adds up because the pieces do.

// reader turns a profile into a timeline.
type reader struct {
	*Builder
	raw      map[int64]*raw
	byPlaces map[string]int32 // stacks, by the ids of their locations
	funcIDs  map[*profile.Function]int32
	place    []byte
	frames   []Frame
	columns  struct{ samples, wall, cpu int }
}

// Read takes samples apart; p is the profile that they belong to. It keeps nothing of both but strings.
func Read(p *profile.Profile, samples iter.Seq[*profile.Sample]) (*Timeline, error) {
	r := &reader{
		Builder: NewBuilder(ByTime), raw: make(map[int64]*raw), byPlaces: make(map[string]int32), funcIDs: make(map[*profile.Function]int32),
	}
	r.onCPU = cells{}
	if err := r.findColumns(p); err != nil {
		return nil, err
	}
	r.functions(p)
	for s := range samples {
		r.add(s)
	}
	if len(r.raw) == 0 {
		return nil, ErrNoTimeline
	}
	if len(r.Objects) > 1 {
		r.Evidence = ByMemory
	}
	r.comments(p.Comments)
	r.Epoch = Epoch(p)
	r.From, r.To = p.TimeNanos, p.TimeNanos+p.DurationNanos
	gap := Piece{Guess: true, Kind: CPU, Stack: r.Nothing, State: r.State(running)}
	for id, g := range r.raw {
		pieces := g.join(gap)
		leftOn(pieces)
		r.AddTrack(&Track{Goid: id, Parent: g.parent, Pieces: pieces})
	}
	r.Settle()
	r.heal()
	r.sortArrivals()
	r.cutUnread()
	r.arrive()
	r.callsCame()
	r.bound()
	if d := r.To - r.From; d <= 0 || d > int64(longest) {
		return nil, fmt.Errorf("the timeline is %s long: more than %s is no recording", time.Duration(d), longest)
	}
	return r.Timeline, nil
}

// ReadAll reads a profile. It uses p's samples up: they are not needed any more when they were read, and there are many.
func ReadAll(p *profile.Profile) (*Timeline, error) {
	all := p.Sample
	p.Sample = nil
	return Read(p, func(yield func(*profile.Sample) bool) {
		for i, s := range all {
			all[i] = nil
			if !yield(s) {
				return
			}
		}
	})
}

// longest is the longest window that is reported on: what is counted by time needs memory by time.
const longest = 2 * time.Hour

// bound makes the window what was seen: profiles of other tools may not say where it is, and a recorder
// that gets no CPU may look for the last time seconds before it ends. A request that is under way at the
// last scan is no whole one.
func (t *Timeline) bound() {
	from, to := int64(1<<62), int64(0)
	for _, g := range t.Tracks {
		from, to = min(from, g.Pieces[0].From), max(to, g.Pieces[len(g.Pieces)-1].To)
	}
	if t.From <= 0 || max(from, t.From) >= min(to, t.To) {
		t.From, t.To = from, to
		return
	}
	t.From, t.To = max(from, t.From), min(to, t.To)
}

func (r *reader) findColumns(p *profile.Profile) error {
	r.columns.samples, r.columns.wall, r.columns.cpu = -1, -1, -1
	for i, st := range p.SampleType {
		switch st.Type {
		case sample.ColumnSamples:
			r.columns.samples = i
		case sample.ColumnCPU:
			r.columns.cpu = i
		case sample.ColumnWall:
			r.columns.wall = i
		}
	}
	switch {
	case r.columns.wall < 0:
		return fmt.Errorf("no column wall: %w", ErrNoTimeline)
	case r.columns.samples < 0: // what a server has of one column
		return fmt.Errorf("no column samples: %w", ErrNoTimeline)
	}
	return nil
}

// Epoch is what makes CLOCK_MONOTONIC the Unix time of a profile's timeline, ns; 0 if it does not say.
func Epoch(p *profile.Profile) int64 {
	for _, l := range p.Comments {
		key, val := sample.Comment(l)
		if ns, err := strconv.ParseInt(val, 10, 64); key == sample.CommentEpoch && err == nil && ns > 0 {
			return ns
		}
	}
	return 0
}

// comments reads what the recording says of the target's CPUs.
func (r *reader) comments(lines []string) {
	for _, l := range lines {
		key, val := sample.Comment(l)
		if hz, err := strconv.ParseFloat(val, 64); key == sample.CommentTableRate && err == nil && hz > 0 && hz < 1e6 {
			r.Scans = hz
		}
		if cpus, err := strconv.ParseFloat(val, 64); key == sample.CommentQuota && err == nil && cpus > 0 && cpus < 1e6 {
			r.Quota = cpus
		}
		if key == sample.CommentAccepts {
			r.Accepts = sample.ParseAcceptQueues(val)
		}
		n, err := strconv.Atoi(val)
		if err != nil || n < 0 || n > 1<<16 {
			continue
		}
		switch key {
		case sample.CommentProcs:
			r.Procs = n
		case sample.CommentCPUs:
			r.CPUs = n
		}
	}
}

func (r *reader) functions(p *profile.Profile) {
	for _, f := range p.Function {
		r.funcIDs[f] = r.Function(f.Name, f.Filename, int32(f.StartLine))
	}
	r.findApp()
}

// add takes one sample in. What is of no goroutine, or has no time, is of no use here.
func (r *reader) add(s *profile.Sample) {
	id, end := number(s, sample.KeyID), number(s, sample.KeyEnd)
	if text := first(s.Label, sample.KeyUnread); text != "" && id > 0 {
		r.arrivals[id] = append(r.arrivals[id], sample.ParseArrivals(text)...)
		return
	}
	if len(s.Value) <= max(r.columns.samples, r.columns.wall, r.columns.cpu) || end <= 0 {
		return
	}
	if c := r.columns.cpu; c >= 0 && s.Value[r.columns.samples] > 0 && s.Value[c] > 0 && s.Value[c] < int64(time.Minute) {
		r.onCPU.add(end, s.Value[c])
	}
	if id <= 0 {
		return
	}
	if ns := number(s, sample.KeyCall); ns > 0 && ns < end {
		if fs := r.Stacks[r.stackOf(s.Location)].Frames; len(fs) > 0 {
			r.calls = append(r.calls, exactCall{id, fs[len(fs)-1].Fn, end - ns, end})
		}
		return
	}
	length := s.Value[r.columns.wall]
	if length <= 0 || length > end {
		return
	}
	g := r.raw[id]
	if g == nil {
		g = &raw{}
		r.raw[id] = g
	}
	g.parent = max(g.parent, number(s, sample.KeyParent))
	p := Piece{From: end - length, To: end, By: max(number(s, sample.KeyWoken), Runtime),
		Stack: r.stackOf(s.Location), Labels: r.ownLabels(s.Label),
		State: r.State(State{first(s.Label, sample.KeyState), first(s.Label, sample.KeyPeer), first(s.Label, sample.KeySyscall)})}
	p.Kind, p.On = r.KindAt(p.State, p.Stack), r.On(first(s.Label, sample.KeyWaitOn))
	p.Left = p.Labels != 0 && p.waitsForNext(r.Stacks) // or they were read a moment too early
	if s.Value[r.columns.samples] > 0 {
		g.onCPU = append(g.onCPU, p)
	} else {
		g.table = append(g.table, p)
	}
}

// ownLabels is the number of the program's own labels: ours begin with "go.".
func (r *reader) ownLabels(labels map[string][]string) int32 {
	return r.labelSet(func(yield func(key, value string)) {
		for k := range labels {
			if !strings.HasPrefix(k, "go.") {
				yield(k, first(labels, k))
			}
		}
	})
}

// stackOf is the number of a sample's stack.
func (r *reader) stackOf(locs []*profile.Location) int32 {
	r.place = r.place[:0]
	for _, l := range locs {
		r.place = binary.AppendUvarint(r.place, l.ID)
	}
	id, ok := r.byPlaces[string(r.place)]
	if !ok {
		r.frames = r.frames[:0]
		for _, l := range locs {
			for _, ln := range l.Line {
				if fn, ok := r.funcIDs[ln.Function]; ok {
					r.frames = append(r.frames, Frame{fn, int32(ln.Line)})
				}
			}
		}
		id = r.Stack(r.frames)
		r.byPlaces[string(r.place)] = id
	}
	return id
}

func number(s *profile.Sample, key string) int64 {
	if v := s.NumLabel[key]; len(v) == 1 {
		return v[0]
	}
	return 0
}

func first(s map[string][]string, key string) string {
	if v := s[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}
