package report

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

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// A timeline profile has two kinds of samples. The goroutine table's are intervals, laid end to end
// for each goroutine, but for the time that it was on a CPU: that the on-CPU source tells, whose
// samples are points with a weight. So here the holes between a goroutine's intervals are its time on
// a CPU, and the on-CPU samples say what it did there. Each goroutine then has one track of pieces
// that do not overlap, and the time of a request adds up because the pieces do.

// ErrNoTimeline is wrapped by errors about profiles that do not say when anything happened.
var ErrNoTimeline = errors.New("the profile has no timeline: record one with mayfly record --timeline")

// piece is a stretch of a goroutine's life in which nothing changed.
type piece struct {
	from, to      int64 // Unix ns
	stack, labels int32
	state         int32
	kind          kind
	guess         bool // the stack is that of a neighbour, or of an earlier moment
}

func (p *piece) length() int64 { return p.to - p.from }

// track is the life of a goroutine.
type track struct {
	goid, parent int64
	pieces       []piece // by time, not overlapping
}

// state is a goroutine's state with what is known of whom it waits for.
type state struct{ name, peer, call string }

type frame struct{ fn, line int32 }

// exactCall is a call of a function whose begin and end were recorded.
type exactCall struct {
	goid     int64
	fn       int32
	from, to int64
}

// stack is one distinct stack, leaf first.
type stack struct {
	frames []frame
	app    int32 // the first frame of the application, -1 without one
	idle   bool  // of a server's goroutine between two requests
}

// function is one function of the profile.
type function struct {
	name, pkg, file string
	line            int32 // where it begins, 0: not known
	app             bool  // of the program itself: neither standard library nor dependency
}

// timeline is a profile, by goroutine and time.
type timeline struct {
	tracks   []*track
	byID     map[int64]*track
	stacks   []stack
	states   []state
	labels   []map[string]string // the program's own; 0 is none
	funcs    []function
	from, to int64
	procs    int         // GOMAXPROCS, 0: not known
	nothing  int32       // the empty stack
	cpus     int         // that the target may use, 0: not known
	calls    []exactCall // exact ones, in any order
	looks    float64     // at the goroutine table, per second; 0: not known

	sites map[siteKey]site
}

// reader turns a profile into a timeline.
type reader struct {
	*timeline
	raw      map[int64]*raw
	byStack  map[string]int32
	byLabels map[string]int32
	byState  map[state]int32
	funcIDs  map[*profile.Function]int32
	kinds    map[[2]int32]kind // by state and stack
	key      []byte
	names    []string
	columns  struct{ samples, wall int }
}

// raw is what the profile says of a goroutine.
type raw struct {
	parent       int64
	table, onCPU []piece
}

// readTimeline takes samples apart; p is the profile that they belong to. It keeps nothing of both but strings.
func readTimeline(p *profile.Profile, samples iter.Seq[*profile.Sample]) (*timeline, error) {
	r := &reader{
		timeline: &timeline{byID: make(map[int64]*track), sites: make(map[siteKey]site)},
		raw:      make(map[int64]*raw), byStack: make(map[string]int32), byLabels: make(map[string]int32), byState: make(map[state]int32),
		funcIDs: make(map[*profile.Function]int32), kinds: make(map[[2]int32]kind),
	}
	if err := r.findColumns(p); err != nil {
		return nil, err
	}
	r.functions(p)
	r.internLabels(nil)
	r.nothing = r.internStack(nil)
	for s := range samples {
		r.add(s)
	}
	if len(r.raw) == 0 {
		return nil, ErrNoTimeline
	}
	r.comments(p.Comments)
	r.from, r.to = p.TimeNanos, p.TimeNanos+p.DurationNanos
	for id, g := range r.raw {
		t := &track{goid: id, parent: g.parent, pieces: r.join(g)}
		if len(t.pieces) == 0 {
			continue
		}
		r.tracks = append(r.tracks, t)
		r.byID[id] = t
	}
	slices.SortFunc(r.tracks, func(a, b *track) int { return cmp.Compare(a.goid, b.goid) })
	r.bound()
	if d := r.to - r.from; d <= 0 || d > int64(longest) {
		return nil, fmt.Errorf("the timeline is %s long: more than %s is no recording", time.Duration(d), longest)
	}
	return r.timeline, nil
}

// longest is the longest window that is reported on: what is counted by time needs memory by time.
const longest = 2 * time.Hour

// bound makes the window what was seen: profiles of other tools may not say where it is, and a recorder
// that gets no CPU may look for the last time seconds before it ends. A request that is under way at the
// last look is no whole one.
func (t *timeline) bound() {
	from, to := int64(1<<62), int64(0)
	for _, g := range t.tracks {
		from, to = min(from, g.pieces[0].from), max(to, g.pieces[len(g.pieces)-1].to)
	}
	if t.from <= 0 || max(from, t.from) >= min(to, t.to) {
		t.from, t.to = from, to
		return
	}
	t.from, t.to = max(from, t.from), min(to, t.to)
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
			r.looks = hz
		}
		n, err := strconv.Atoi(val)
		if err != nil || n < 0 || n > 1<<16 {
			continue
		}
		switch key {
		case "mayfly.gomaxprocs":
			r.procs = n
		case "mayfly.cpus":
			r.cpus = n
		}
	}
}

func (r *reader) functions(p *profile.Profile) {
	std := stdPrefix(p)
	for _, f := range p.Function {
		r.funcIDs[f] = int32(len(r.funcs))
		r.funcs = append(r.funcs, function{f.Name, packageOf(f.Name), f.Filename, int32(f.StartLine), isApp(f.Name, f.Filename, std)})
	}
}

// stdPrefix is what the file names of the standard library begin with: "/usr/local/go/src/", or
// "" in a build with -trimpath.
func stdPrefix(p *profile.Profile) string {
	for _, f := range p.Function {
		if packageOf(f.Name) == "runtime" {
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
	pkg := packageOf(name)
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
	first, _, _ := strings.Cut(pkg, "/")
	return strings.Contains(first, ".")
}

// packageOf is the import path in a function's name: "net/http" of "net/http.(*conn).serve".
func packageOf(name string) string {
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
		if fs := r.stacks[r.internStack(s.Location)].frames; len(fs) > 0 {
			r.calls = append(r.calls, exactCall{id, fs[len(fs)-1].fn, end - ns, end})
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
	p := piece{from: end - length, to: end, stack: r.internStack(s.Location), labels: r.internLabels(s.Label), state: r.internState(s.Label)}
	p.kind = r.kindAt(p.state, p.stack)
	if p.kind == network && r.stacks[p.stack].idle {
		p.labels = 0 // what is left of the request before, read a moment too early
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

func (r *reader) kindAt(state, stack int32) kind {
	k, ok := r.kinds[[2]int32{state, stack}]
	if !ok {
		k = r.kindOf(r.states[state].name, stack)
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
		id = int32(len(r.stacks))
		r.byStack[string(r.key)] = id
		r.stacks = append(r.stacks, r.newStack(locs))
	}
	return id
}

func (r *reader) newStack(locs []*profile.Location) stack {
	s := stack{app: -1}
	for _, l := range locs {
		for _, ln := range l.Line {
			if fn, ok := r.funcIDs[ln.Function]; ok {
				if s.app < 0 && r.funcs[fn].app {
					s.app = int32(len(s.frames))
				}
				s.frames = append(s.frames, frame{fn, int32(ln.Line)})
			}
		}
	}
	s.idle = r.has(&s, names.ServeConn) && !r.has(&s, servers)
	return s
}

func (r *reader) internState(labels map[string][]string) int32 {
	s := state{first(labels, "go.state"), first(labels, "go.peer"), first(labels, "go.syscall")}
	id, ok := r.byState[s]
	if !ok {
		id = int32(len(r.states))
		r.byState[s] = id
		r.states = append(r.states, s)
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
		id = int32(len(r.labels))
		r.byLabels[string(r.key)] = id
		set := make(map[string]string, len(r.names))
		for _, k := range r.names {
			set[k] = first(labels, k)
		}
		r.labels = append(r.labels, set)
	}
	return id
}

// has says whether one of the names is on the stack.
func (t *timeline) has(s *stack, list []string) bool {
	return slices.ContainsFunc(s.frames, func(f frame) bool { return names.Match(t.funcs[f.fn].name, list) })
}
