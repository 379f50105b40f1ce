package timeline

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Builder puts a timeline together: equal functions, stacks, states and label sets get one number.
type Builder struct {
	*Timeline
	byFunc   map[Function]int32
	byStack  map[string]int32
	byLabels map[string]int32
	byState  map[State]int32
	byOn     map[string]int32
	kinds    map[[2]int32]Kind // by state and stack
	std      string            // what the file names of the standard library begin with
	key      []byte
	pairs    [][2]string
	room     []Piece // the rest of what is allocated at once; see Keep
}

// NewBuilder begins a timeline with no tracks. Stack 0 is empty, label set 0 has no labels.
func NewBuilder(e Evidence) *Builder {
	b := &Builder{
		Timeline: &Timeline{Evidence: e, ByID: make(map[int64]*Track), sites: make(map[siteKey]Site),
			arrivals: make(map[int64][]sample.Arrival)},
		byFunc: make(map[Function]int32), byStack: make(map[string]int32), byLabels: make(map[string]int32), byState: make(map[State]int32),
		byOn:  make(map[string]int32),
		kinds: make(map[[2]int32]Kind),
	}
	b.LabelSet(nil)
	b.Nothing = b.Stack(nil)
	b.Objects = [][]sample.Object{nil}
	return b
}

// Function is the number of a function; line is where it begins, 0 if that is not known.
func (b *Builder) Function(name, file string, line int32) int32 {
	f := Function{Name: name, Pkg: PackageOf(name), File: file, Line: line}
	id, ok := b.byFunc[f]
	if !ok {
		id = int32(len(b.Funcs))
		b.byFunc[f] = id
		if b.std == "" && f.Pkg == "runtime" {
			b.std = stdOf(file)
		}
		f.App, f.Framework = isApp(name, file, b.std), frameworks.Of(name)
		b.Funcs = append(b.Funcs, f)
	}
	return id
}

// Stack is the number of a stack, leaf first; frames is copied.
func (b *Builder) Stack(frames []Frame) int32 {
	b.key = b.key[:0]
	for _, f := range frames {
		b.key = binary.AppendUvarint(binary.AppendUvarint(b.key, uint64(f.Fn)), uint64(uint32(f.Line)))
	}
	id, ok := b.byStack[string(b.key)]
	if !ok {
		id = int32(len(b.Stacks))
		b.byStack[string(b.key)] = id
		s := Stack{Frames: slices.Clone(frames)}
		b.know(&s)
		b.Stacks = append(b.Stacks, s)
	}
	return id
}

// know finds out what a stack says.
func (b *Builder) know(s *Stack) {
	s.App, s.marks = b.firstApp(s.Frames), b.marksOf(s.Frames)
	s.For, s.ForAt = b.waitsFor(s.Frames)
}

func (b *Builder) firstApp(frames []Frame) int32 {
	return int32(slices.IndexFunc(frames, func(f Frame) bool { return b.Funcs[f.Fn].App }))
}

// State is the number of a state.
func (b *Builder) State(s State) int32 {
	id, ok := b.byState[s]
	if !ok {
		id = int32(len(b.States))
		b.byState[s] = id
		b.States = append(b.States, s)
	}
	return id
}

// On is the number of what a wait is for, as sample.FormatObjects has it. A select of which not all cases are known is one
// of which nothing is: what ended it may be one of the others.
func (b *Builder) On(text string) int32 {
	if text == "" {
		return 0
	}
	id, ok := b.byOn[text]
	if !ok {
		if list, all, err := sample.ParseObjects(text); err == nil && all {
			id = int32(len(b.Objects))
			b.Objects = append(b.Objects, list)
		}
		b.byOn[strings.Clone(text)] = id
	}
	return id
}

// running is the state of who has a P.
var running = State{Name: "running"}

// KindAt is what a goroutine in a state, with a stack, spends its time on.
func (b *Builder) KindAt(state, stack int32) Kind {
	k, ok := b.kinds[[2]int32{state, stack}]
	if !ok {
		k = b.KindOf(b.States[state].Name, stack)
		b.kinds[[2]int32{state, stack}] = k
	}
	return k
}

// LabelSet is the number of a set of labels.
func (b *Builder) LabelSet(set map[string]string) int32 {
	return b.labelSet(func(yield func(key, value string)) {
		for k, v := range set {
			yield(k, v)
		}
	})
}

func (b *Builder) labelSet(each func(yield func(key, value string))) int32 {
	b.pairs = b.pairs[:0]
	each(func(k, v string) { b.pairs = append(b.pairs, [2]string{k, v}) })
	slices.SortFunc(b.pairs, func(x, y [2]string) int { return cmp.Compare(x[0], y[0]) })
	b.key = b.key[:0]
	for _, p := range b.pairs {
		for _, text := range p { // with its length: a label may have any byte in it
			b.key = append(binary.AppendUvarint(b.key, uint64(len(text))), text...)
		}
	}
	id, ok := b.byLabels[string(b.key)]
	if !ok {
		id = int32(len(b.Labels))
		b.byLabels[string(b.key)] = id
		set := make(map[string]string, len(b.pairs))
		for _, p := range b.pairs {
			set[p[0]] = p[1]
		}
		b.Labels = append(b.Labels, set)
	}
	return id
}

// AddTrack adds a goroutine, unless it has no pieces.
func (b *Builder) AddTrack(g *Track) {
	if len(g.Pieces) > 0 {
		b.Tracks = append(b.Tracks, g)
		b.ByID[g.Goid] = g
	}
}

// keptAtOnce is for how many pieces room is made at once.
const keptAtOnce = 4096

// Keep returns a copy of the pieces that takes no more room than they do: most goroutines have a few, and there may be hundreds of
// thousands.
func (b *Builder) Keep(pieces []Piece) []Piece {
	if len(pieces) > keptAtOnce/4 {
		return slices.Clip(slices.Clone(pieces))
	}
	if len(pieces) > cap(b.room)-len(b.room) {
		b.room = make([]Piece, 0, keptAtOnce)
	}
	n := len(b.room)
	b.room = append(b.room, pieces...)
	return slices.Clip(b.room[n:])
}

// renew returns a copy of the pieces, in the place of those before them where they fit in.
func (b *Builder) renew(before, pieces []Piece) []Piece {
	if len(pieces) > len(before) {
		return b.Keep(pieces)
	}
	return before[:copy(before, pieces)]
}

// Settle ends the building: it puts the tracks in order, and looks again which functions are the program's own.
func (b *Builder) Settle() {
	slices.SortFunc(b.Tracks, func(x, y *Track) int { return cmp.Compare(x.Goid, y.Goid) })
	b.findApp()
	for i := range b.Stacks {
		b.know(&b.Stacks[i])
	}
}

// findApp finds out which functions are the program's own: where the standard library lies is known when a function of it is.
func (b *Builder) findApp() {
	for i := range b.Funcs {
		f := &b.Funcs[i]
		f.App = isApp(f.Name, f.File, b.std)
	}
}

// stdOf is what the file names of the standard library begin with, by one of the runtime's: "/usr/local/go/src/", or "" in a
// build with -trimpath.
func stdOf(file string) string {
	if dir, _, ok := strings.Cut(file, "runtime/"); ok && strings.HasSuffix(dir, "/src/") {
		return dir
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
