package profiler

import (
	"encoding/binary"
	"runtime"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// Symbols resolves addresses of the target. symbolize.Symbolizer is the real one.
type Symbols interface {
	// Resolve appends the frames of a user address, innermost first, and returns the index of
	// its mapping in Mappings, or -1. The address lies inside the instruction that is asked for.
	Resolve(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int)
	// ResolveKernel does the same for a kernel address.
	ResolveKernel(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int)
	// SPDelta is pclntab's distance between the stack pointer at pc and the word behind the
	// return address; ok is false outside Go code.
	SPDelta(pc uint64) (delta int32, ok bool)
	// InGo says whether pc lies in a Go function.
	InGo(pc uint64) bool
	// Mappings are the target's mappings, main binary first.
	Mappings() []symbolize.Mapping
}

// Keep says what a profile keeps of its samples beyond stack and program labels. The zero value
// keeps nothing more.
type Keep struct {
	Goroutines bool // the goroutine id, as numeric label go.id
}

// Builder folds samples into one pprof profile. It repairs what a frame-pointer walk loses (see
// stack.go), resolves each distinct address once, and merges samples that are equal in stack and
// labels. It is for one goroutine at a time.
type Builder struct {
	symbols Symbols
	keep    Keep
	arch    string

	exact, calls map[uint64]*site // by interrupted address, by return address
	kernel       map[uint64]*site
	synthetic    map[string]*site
	sites        []*site // by id
	funcs        map[function]*profile.Function

	folds map[string]*fold
	key   []byte
	stack []*site
	tally Tally
}

// Tally counts what went through a Builder.
type Tally struct {
	Samples    int64 // events, lost ones left out
	Lost       int64 // events that were lost
	CPU        int64 // ns of all samples, lost ones included
	Unlabeled  int64 // ns without any label
	Goroutines int   // distinct goroutine ids seen
	Rooted     int64 // goroutine samples whose stack ends at its true root
	Unrooted   int64 // goroutine samples whose stack does not
	Repaired   int64 // samples whose leaf got its caller back

	seen map[uint64]struct{}
}

// fold is all samples that have one stack and one set of labels.
type fold struct {
	sites        []uint32
	labels       []sample.Label
	goid         uint64
	count, value int64
}

// NewBuilder returns an empty builder.
func NewBuilder(s Symbols, k Keep) *Builder {
	return &Builder{
		symbols: s, keep: k, arch: runtime.GOARCH,
		exact: make(map[uint64]*site), calls: make(map[uint64]*site), kernel: make(map[uint64]*site),
		synthetic: make(map[string]*site), funcs: make(map[function]*profile.Function),
		folds: make(map[string]*fold),
		tally: Tally{seen: make(map[uint64]struct{})},
	}
}

// Tally says what was added so far.
func (b *Builder) Tally() Tally {
	t := b.tally
	t.Goroutines, t.seen = len(b.tally.seen), nil
	return t
}

// Add folds one sample in. It does not keep the sample or its slices.
func (b *Builder) Add(s *sample.Sample) {
	b.count(s)
	b.stack = b.walk(b.stack[:0], s)
	b.key = b.appendKey(b.key[:0], s)
	f := b.folds[string(b.key)]
	if f == nil {
		f = b.newFold(s)
		b.folds[string(b.key)] = f
	}
	f.count += s.Count
	f.value += s.Weight
}

func (b *Builder) count(s *sample.Sample) {
	b.tally.CPU += s.Weight
	if s.Loss == sample.Lost || s.Loss == sample.Unsampled {
		b.tally.Lost += s.Count
		return
	}
	b.tally.Samples += s.Count
	if len(s.Labels) == 0 {
		b.tally.Unlabeled += s.Weight
	}
	if s.Goid != 0 {
		b.tally.seen[s.Goid] = struct{}{}
	}
}

// appendKey writes what makes samples equal: the sites of the stack, the labels, the goroutine.
func (b *Builder) appendKey(key []byte, s *sample.Sample) []byte {
	for _, st := range b.stack {
		key = binary.LittleEndian.AppendUint32(key, st.id)
	}
	key = append(key, 0xff, 0xff, 0xff, 0xff) // no site has this id
	for _, l := range s.Labels {
		key = binary.AppendUvarint(key, uint64(len(l.Key)))
		key = append(key, l.Key...)
		key = binary.AppendUvarint(key, uint64(len(l.Value)))
		key = append(key, l.Value...)
	}
	if b.keep.Goroutines {
		key = binary.LittleEndian.AppendUint64(key, s.Goid)
	}
	return key
}

func (b *Builder) newFold(s *sample.Sample) *fold {
	f := &fold{sites: make([]uint32, len(b.stack)), labels: slices.Clone(s.Labels)}
	for i, st := range b.stack {
		f.sites[i] = st.id
	}
	if b.keep.Goroutines {
		f.goid = s.Goid
	}
	return f
}

// Profile returns what was added as a CPU profile: the two columns of runtime/pprof, samples in a
// stable order, heaviest first. The caller fills in TimeNanos, DurationNanos, Period and Comments.
// The builder must not be used afterwards.
func (b *Builder) Profile() *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},

		DefaultSampleType: "cpu",
	}
	maps := b.mappings(p)
	locs := b.locations(p, maps)
	for key, f := range b.folds {
		p.Sample = append(p.Sample, f.sample(locs))
		delete(b.folds, key) // its memory goes while the profile's grows
	}
	slices.SortStableFunc(p.Sample, compareSamples)
	return p
}

func (f *fold) sample(locs []*profile.Location) *profile.Sample {
	s := &profile.Sample{Value: []int64{f.count, f.value}, Location: make([]*profile.Location, len(f.sites))}
	for i, id := range f.sites {
		s.Location[i] = locs[id]
	}
	if len(f.labels) > 0 {
		s.Label = make(map[string][]string, len(f.labels))
	}
	for _, l := range f.labels {
		s.Label[l.Key] = []string{l.Value} // a set has each key once
	}
	if f.goid != 0 {
		s.NumLabel = map[string][]int64{"go.id": {int64(f.goid)}}
	}
	return s
}

func compareSamples(a, b *profile.Sample) int {
	if a.Value[1] != b.Value[1] {
		return int(min(max(b.Value[1]-a.Value[1], -1), 1))
	}
	for i := range min(len(a.Location), len(b.Location)) {
		if x, y := a.Location[i].ID, b.Location[i].ID; x != y {
			return int(int64(x) - int64(y))
		}
	}
	return len(a.Location) - len(b.Location)
}

// mappings adds the target's mappings to p. They are all marked as resolved: nothing but this
// process ever knew more about them.
func (b *Builder) mappings(p *profile.Profile) []*profile.Mapping {
	var maps []*profile.Mapping
	for i, m := range b.symbols.Mappings() {
		maps = append(maps, &profile.Mapping{
			ID: uint64(i + 1), Start: m.Start, Limit: m.Limit, Offset: m.Offset, File: m.File, BuildID: m.BuildID,
			HasFunctions: true, HasFilenames: true, HasLineNumbers: true, HasInlineFrames: true,
		})
	}
	p.Mapping = maps
	return maps
}

// locations turns all sites into locations of p, index for index.
func (b *Builder) locations(p *profile.Profile, maps []*profile.Mapping) []*profile.Location {
	locs := make([]*profile.Location, len(b.sites))
	for i, st := range b.sites {
		l := &profile.Location{ID: uint64(i + 1), Address: st.addr}
		if st.mapping >= 0 && st.mapping < len(maps) {
			l.Mapping = maps[st.mapping]
		}
		for _, fr := range st.frames {
			l.Line = append(l.Line, profile.Line{Function: b.function(p, fr), Line: int64(fr.Line)})
		}
		locs[i] = l
	}
	p.Location = locs
	return locs
}

// function is what makes two frames the same pprof function.
type function struct {
	name, file string
	start      int
}

func (b *Builder) function(p *profile.Profile, fr symbolize.Frame) *profile.Function {
	k := function{fr.Func, fr.File, fr.StartLine}
	f := b.funcs[k]
	if f == nil {
		f = &profile.Function{ID: uint64(len(p.Function) + 1), Name: fr.Func, SystemName: fr.SystemName, Filename: fr.File, StartLine: int64(fr.StartLine)}
		if f.SystemName == "" {
			f.SystemName = fr.Func
		}
		b.funcs[k] = f
		p.Function = append(p.Function, f)
	}
	return f
}
