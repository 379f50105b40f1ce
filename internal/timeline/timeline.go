// Package timeline is what the goroutines of a program did in some seconds: for each a track of pieces, each piece with a
// state, a stack and labels, and the requests that are found in it.
//
//	t, err := timeline.Read(head, samples)
//	requests := t.Find(timeline.Selector{}).Whole
package timeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A timeline profile has two kinds of samples. The goroutine table's are intervals, laid end to end
// for each goroutine, but for the time that it was on a CPU: that the on-CPU source tells, whose
// samples are points with a weight. So here the holes between a goroutine's intervals are its time on
// a CPU, and the on-CPU samples say what it did there. Each goroutine then has one track of pieces
// that do not overlap, and the time of a request adds up because the pieces do.

// ErrNoTimeline is wrapped by errors about profiles that do not say when anything happened.
var ErrNoTimeline = errors.New("the profile has no timeline: record one with mayfly record --timeline")

// Piece is a stretch of a goroutine's life in which nothing changed.
type Piece struct {
	From, To      int64 // Unix ns
	By            int64 // the goroutine that ended this wait; 0: not known; Runtime: none did
	ByStack       int32 // where that one did, in Timeline.Stacks, or who stopped the world; Timeline.Nothing: not known
	Stack, Labels int32
	State         int32
	On            int32 // what it waits for, in Timeline.Objects; 0: not known
	Kind          Kind
	Guess         bool // the stack is that of a neighbour, or of an earlier moment
}

// Runtime is who ended a wait that no goroutine did: the network poller, a timer, the scheduler.
const Runtime = int64(-1)

// Evidence is what a timeline knows of who waits for whom.
type Evidence string

// The evidence that there is, the best first.
const (
	ByTrace  Evidence = "trace"  // the runtime's own events: pieces say who ended them
	ByMemory Evidence = "memory" // which channel or lock a goroutine waits on, read from the target's memory
	ByTime   Evidence = "time"   // nothing but what was at the same time
)

// Length is how long the piece is, ns.
func (p *Piece) Length() int64 { return p.To - p.From }

// Track is the life of a goroutine.
type Track struct {
	Goid, Parent int64
	Birth        int32   // where the parent started it, in Timeline.Stacks; Timeline.Nothing: not known
	Pieces       []Piece // by time, not overlapping
}

// State is a goroutine's state with what is known of whom it waits for.
type State struct{ Name, Peer, Call string }

// Frame is a function of Timeline.Funcs and a line of it, 0 where that is not known.
type Frame struct{ Fn, Line int32 }

// exactCall is a call of a function whose begin and end were recorded.
type exactCall struct {
	goid     int64
	fn       int32
	from, to int64
}

// Stack is one distinct stack, leaf first.
type Stack struct {
	Frames []Frame
	App    int32            // the first frame of the application, -1 without one
	For    frameworks.Entry // what a framework waits for there, zero if the wait is the application's own
	ForAt  int32            // the frame that says so, -1 without one
	marks  marks            // what it means for requests
}

// idle says whether a stack is that of a server's goroutine between two requests, when it waits.
func (s *Stack) idle() bool { return s.marks&keeps != 0 && s.marks&handles == 0 }

// Idle says that of any goroutine that waits for requests, or for connections.
func (s *Stack) Idle() bool { return s.marks&(keeps|listens) != 0 && s.marks&handles == 0 }

// Function is one function of the profile.
type Function struct {
	Name, Pkg, File string
	Line            int32 // where it begins, 0: not known
	App             bool  // of the program itself: neither standard library nor dependency
	Framework       frameworks.Entry
}

// Timeline is a profile, by goroutine and time.
type Timeline struct {
	Tracks   []*Track
	ByID     map[int64]*Track
	Stacks   []Stack
	States   []State
	Labels   []map[string]string // the program's own; 0 is none
	Objects  [][]sample.Object   // what waits are for, as memory had it; 0 is nothing
	Funcs    []Function
	From, To int64 // Unix ns
	Evidence Evidence
	Procs    int         // GOMAXPROCS, 0: not known
	Nothing  int32       // the empty stack, 0
	CPUs     int         // that the target may use, 0: not known
	Quota    float64     // CPUs' time that its control groups allow it, 0: no limit, or not known
	Epoch    int64       // Unix ns minus CLOCK_MONOTONIC, 0: not known
	calls    []exactCall // exact ones, in any order
	onCPU    cells       // CPU time of all samples
	Tasks    []Task      // of runtime/trace
	Scans    float64     // at the goroutine table, per second; 0: not known

	sites map[siteKey]Site
}

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

// raw is what the profile says of a goroutine.
type raw struct {
	parent       int64
	table, onCPU []Piece
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
	r.From, r.To = p.TimeNanos, p.TimeNanos+p.DurationNanos
	for id, g := range r.raw {
		r.AddTrack(&Track{Goid: id, Parent: g.parent, Pieces: r.join(g)})
	}
	r.Settle()
	r.heal()
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
	if r.columns.wall < 0 || r.columns.samples < 0 {
		return fmt.Errorf("no column wall: %w", ErrNoTimeline)
	}
	return nil
}

// comments reads what the recording says of the target's CPUs.
func (r *reader) comments(lines []string) {
	for _, l := range lines {
		key, val := sample.Comment(l)
		if hz, err := strconv.ParseFloat(val, 64); key == sample.CommentTableRate && err == nil && hz > 0 && hz < 1e6 {
			r.Scans = hz
		}
		if ns, err := strconv.ParseInt(val, 10, 64); key == sample.CommentEpoch && err == nil && ns > 0 {
			r.Epoch = ns
		}
		if cpus, err := strconv.ParseFloat(val, 64); key == sample.CommentQuota && err == nil && cpus > 0 && cpus < 1e6 {
			r.Quota = cpus
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
	if len(s.Value) <= max(r.columns.samples, r.columns.wall, r.columns.cpu) || end <= 0 {
		return
	}
	if c := r.columns.cpu; c >= 0 && s.Value[r.columns.samples] > 0 && s.Value[c] > 0 && s.Value[c] < int64(time.Minute) {
		r.onCPU[end/stolenCell] += s.Value[c]
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
	p := Piece{From: end - length, To: end, Stack: r.stackOf(s.Location), Labels: r.ownLabels(s.Label),
		State: r.State(State{first(s.Label, sample.KeyState), first(s.Label, sample.KeyPeer), first(s.Label, sample.KeySyscall)})}
	p.Kind, p.On = r.KindAt(p.State, p.Stack), r.On(first(s.Label, sample.KeyWaitOn))
	if p.Kind == Network && r.Stacks[p.Stack].idle() {
		p.Labels = 0 // what is left of the request before, read a moment too early
	}
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

// Has says whether one of the names is on the stack.
func (t *Timeline) Has(s *Stack, list []string) bool {
	return slices.ContainsFunc(s.Frames, func(f Frame) bool { return names.Match(t.Funcs[f.Fn].Name, list) })
}
