// Package timeline is what the goroutines of a program did in some seconds: for each a track of pieces, each piece with a
// state, a stack and labels, and the requests that are found in it.
//
//	t, err := timeline.Read(head, samples)
//	requests, cut := t.Find(timeline.Selector{})
package timeline

import (
	"cmp"
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
	ByStack       int32 // where that one did, in Timeline.Stacks; Timeline.Nothing: not known
	Stack, Labels int32
	State         int32
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
	Idle   bool             // of a server's goroutine between two requests, or that waits for connections
}

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
	Funcs    []Function
	From, To int64 // Unix ns
	Evidence Evidence
	Procs    int         // GOMAXPROCS, 0: not known
	Nothing  int32       // the empty stack, 0
	CPUs     int         // that the target may use, 0: not known
	calls    []exactCall // exact ones, in any order
	Looks    float64     // at the goroutine table, per second; 0: not known

	sites map[siteKey]Site
}

// reader turns a profile into a timeline.
type reader struct {
	*Timeline
	raw      map[int64]*raw
	byStack  map[string]int32
	byLabels map[string]int32
	byState  map[State]int32
	funcIDs  map[*profile.Function]int32
	kinds    map[[2]int32]Kind // by state and stack
	key      []byte
	names    []string
	columns  struct{ samples, wall int }
}

// raw is what the profile says of a goroutine.
type raw struct {
	parent       int64
	table, onCPU []Piece
}

// Read takes samples apart; p is the profile that they belong to. It keeps nothing of both but strings.
func Read(p *profile.Profile, samples iter.Seq[*profile.Sample]) (*Timeline, error) {
	r := &reader{
		Timeline: &Timeline{Evidence: ByTime, ByID: make(map[int64]*Track), sites: make(map[siteKey]Site)},
		raw:      make(map[int64]*raw), byStack: make(map[string]int32), byLabels: make(map[string]int32), byState: make(map[State]int32),
		funcIDs: make(map[*profile.Function]int32), kinds: make(map[[2]int32]Kind),
	}
	if err := r.findColumns(p); err != nil {
		return nil, err
	}
	r.functions(p)
	r.internLabels(nil)
	r.Nothing = r.internStack(nil)
	for s := range samples {
		r.add(s)
	}
	if len(r.raw) == 0 {
		return nil, ErrNoTimeline
	}
	r.comments(p.Comments)
	r.From, r.To = p.TimeNanos, p.TimeNanos+p.DurationNanos
	for id, g := range r.raw {
		t := &Track{Goid: id, Parent: g.parent, Pieces: r.join(g)}
		if len(t.Pieces) == 0 {
			continue
		}
		r.Tracks = append(r.Tracks, t)
		r.ByID[id] = t
	}
	slices.SortFunc(r.Tracks, func(a, b *Track) int { return cmp.Compare(a.Goid, b.Goid) })
	r.heal()
	r.bound()
	if d := r.To - r.From; d <= 0 || d > int64(longest) {
		return nil, fmt.Errorf("the timeline is %s long: more than %s is no recording", time.Duration(d), longest)
	}
	return r.Timeline, nil
}

// longest is the longest window that is reported on: what is counted by time needs memory by time.
const longest = 2 * time.Hour

// bound makes the window what was seen: profiles of other tools may not say where it is, and a recorder
// that gets no CPU may look for the last time seconds before it ends. A request that is under way at the
// last look is no whole one.
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
	r.columns.samples, r.columns.wall = -1, -1
	for i, st := range p.SampleType {
		switch st.Type {
		case "samples":
			r.columns.samples = i
		case "wall":
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
		key, val, _ := strings.Cut(l, "=")
		if hz, err := strconv.ParseFloat(val, 64); key == "mayfly.table_rate_hz" && err == nil && hz > 0 && hz < 1e6 {
			r.Looks = hz
		}
		n, err := strconv.Atoi(val)
		if err != nil || n < 0 || n > 1<<16 {
			continue
		}
		switch key {
		case "mayfly.gomaxprocs":
			r.Procs = n
		case "mayfly.cpus":
			r.CPUs = n
		}
	}
}

func (r *reader) functions(p *profile.Profile) {
	std := stdPrefix(p)
	for _, f := range p.Function {
		r.funcIDs[f] = int32(len(r.Funcs))
		r.Funcs = append(r.Funcs, Function{f.Name, PackageOf(f.Name), f.Filename, int32(f.StartLine), isApp(f.Name, f.Filename, std), frameworks.Of(f.Name)})
	}
}

// stdPrefix is what the file names of the standard library begin with: "/usr/local/go/src/", or
// "" in a build with -trimpath.
func stdPrefix(p *profile.Profile) string {
	for _, f := range p.Function {
		if PackageOf(f.Name) == "runtime" {
			if dir, _, ok := strings.Cut(f.Filename, "runtime/"); ok && (dir == "" || strings.HasSuffix(dir, "/src/")) {
				return dir
			}
		}
	}
	return ""
}

// isApp says whether a function is the program's own. What tells dependencies is their version in
// the path of the file, or the folder vendor.
func isApp(name, file, std string) bool {
	pkg := PackageOf(name)
	switch {
	case strings.Contains(name, ".gowrap") || strings.Contains(name, ".deferwrap"):
		return false // the compiler's
	case pkg == "main":
		return true
	case pkg == "" || file == "" || strings.Contains(file, "@v") || strings.Contains(file, "/vendor/"):
		return false
	case std != "":
		return !strings.HasPrefix(file, std)
	}
	return hasDomain(pkg)
}

// hasDomain says whether an import path begins with a host's name, as those outside of the standard library do.
func hasDomain(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return strings.Contains(first, ".")
}

// PackageOf is the import path in a function's name: "net/http" of "net/http.(*conn).serve".
func PackageOf(name string) string {
	slash := strings.LastIndexByte(name, '/') + 1
	if paren := strings.IndexAny(name, "(["); paren >= 0 && paren < slash {
		slash = strings.LastIndexByte(name[:paren], '/') + 1
	}
	dot := strings.IndexByte(name[slash:], '.')
	if dot < 0 {
		return ""
	}
	return name[:slash+dot]
}

// add takes one sample in. What is of no goroutine, or has no time, is of no use here.
func (r *reader) add(s *profile.Sample) {
	id, end := number(s, "go.id"), number(s, "end_timestamp_ns")
	if len(s.Value) <= max(r.columns.samples, r.columns.wall) || id <= 0 || end <= 0 {
		return
	}
	if ns := number(s, "go.call_ns"); ns > 0 && ns < end {
		if fs := r.Stacks[r.internStack(s.Location)].Frames; len(fs) > 0 {
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
	g.parent = max(g.parent, number(s, "go.parent"))
	p := Piece{From: end - length, To: end, Stack: r.internStack(s.Location), Labels: r.internLabels(s.Label), State: r.internState(s.Label)}
	p.Kind = r.kindAt(p.State, p.Stack)
	if p.Kind == Network && r.Stacks[p.Stack].Idle {
		p.Labels = 0 // what is left of the request before, read a moment too early
	}
	if s.Value[r.columns.samples] > 0 {
		g.onCPU = append(g.onCPU, p)
	} else {
		g.table = append(g.table, p)
	}
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

func (r *reader) kindAt(state, stack int32) Kind {
	k, ok := r.kinds[[2]int32{state, stack}]
	if !ok {
		k = r.KindOf(r.States[state].Name, stack)
		r.kinds[[2]int32{state, stack}] = k
	}
	return k
}

func (r *reader) internStack(locs []*profile.Location) int32 {
	r.key = r.key[:0]
	for _, l := range locs {
		r.key = binary.AppendUvarint(r.key, l.ID)
	}
	id, ok := r.byStack[string(r.key)]
	if !ok {
		id = int32(len(r.Stacks))
		r.byStack[string(r.key)] = id
		r.Stacks = append(r.Stacks, r.newStack(locs))
	}
	return id
}

func (r *reader) newStack(locs []*profile.Location) Stack {
	s := Stack{App: -1}
	for _, l := range locs {
		for _, ln := range l.Line {
			if fn, ok := r.funcIDs[ln.Function]; ok {
				if s.App < 0 && r.Funcs[fn].App {
					s.App = int32(len(s.Frames))
				}
				s.Frames = append(s.Frames, Frame{fn, int32(ln.Line)})
			}
		}
	}
	s.For, s.ForAt = r.waitsFor(&s)
	s.Idle = r.isIdle(&s)
	return s
}

func (r *reader) internState(labels map[string][]string) int32 {
	s := State{first(labels, "go.state"), first(labels, "go.peer"), first(labels, "go.syscall")}
	id, ok := r.byState[s]
	if !ok {
		id = int32(len(r.States))
		r.byState[s] = id
		r.States = append(r.States, s)
	}
	return id
}

// internLabels keeps the program's own labels: ours begin with "go.".
func (r *reader) internLabels(labels map[string][]string) int32 {
	r.names = r.names[:0]
	for k := range labels {
		if !strings.HasPrefix(k, "go.") {
			r.names = append(r.names, k)
		}
	}
	slices.Sort(r.names)
	r.key = r.key[:0]
	for _, k := range r.names {
		r.key = append(append(r.key, k...), 0)
		r.key = append(append(r.key, first(labels, k)...), 0)
	}
	id, ok := r.byLabels[string(r.key)]
	if !ok {
		id = int32(len(r.Labels))
		r.byLabels[string(r.key)] = id
		set := make(map[string]string, len(r.names))
		for _, k := range r.names {
			set[k] = first(labels, k)
		}
		r.Labels = append(r.Labels, set)
	}
	return id
}

// Has says whether one of the names is on the stack.
func (t *Timeline) Has(s *Stack, list []string) bool {
	return slices.ContainsFunc(s.Frames, func(f Frame) bool { return names.Match(t.Funcs[f.Fn].Name, list) })
}
