package profiler

import (
	"encoding/binary"
	"runtime"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/internal/finish"
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
	// InGo says whether pc lies in a Go function, Entry whether one begins there.
	InGo(pc uint64) bool
	Entry(pc uint64) bool
	// Mappings are the target's mappings, main binary first.
	Mappings() []symbolize.Mapping
}

// Keep says what a profile keeps of its samples beyond stack and program labels. The zero value
// keeps nothing more.
type Keep struct {
	Goroutines bool // the goroutine id, as numeric label go.id
	Wall       bool // all states: five columns and the label go.state, instead of CPU time only
	TableOnly  bool // no on-CPU source; the goroutine table tells CPU time, without frames
	TableToo   bool // with Wall: what the table saw running, too, beside what the on-CPU source saw; reconcile makes one of both
	Timeline   bool // with Wall: each sample by itself, with the numeric labels go.id, go.parent and end_timestamp_ns
	Idle       bool // with Wall: goroutines without labels that did nothing while recording, too
}

// Builder folds samples into one pprof profile. It repairs what a frame-pointer walk loses (see
// stack.go), resolves each distinct address once, and merges samples that are equal in stack and
// labels. It is for one goroutine at a time.
type Builder struct {
	symbols Symbols
	keep    Keep
	arch    string

	*places // shared by the builders of a stream
	funcs   map[function]*profile.Function

	folds map[string]*fold
	words words
	key   []byte
	stack []*site
	from  map[uint64]uint64 // goroutine that started it; only in timelines
	idle  map[uint64]*idler
	tally Tally
	limit folding

	epoch int64 // Unix time of the monotonic clock's zero, ns; timelines add it
}

// idler is a goroutine that has done nothing so far. Its time is folded in when it does something.
type idler struct {
	key  string
	fold *fold
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
	Idle       int   // goroutines left out because they did nothing
	IdleTime   int64 // ns of theirs
	TableCPU   int64 // ns that the goroutine table saw goroutines on a CPU: a second opinion of CPU
	Wall       int64 // ns of all states, idle ones left out

	LabelsLost     int64 // samples whose goroutine had labels that could not be read
	LabelsLostTime int64 // ns of theirs
	LabelsCut      int64 // samples with a part of their goroutine's labels only

	seen idSet
}

// fold is all samples that have one stack and one set of labels.
type fold struct {
	sites  []uint32
	labels []sample.Label
	state  sample.State // only in wall profiles
	peer   string
	call   string
	waitOn string // only in timelines: elsewhere there would be as many samples as there are channels
	goid   uint64
	end    int64 // CLOCK_MONOTONIC, ns; only in timelines
	count  int64
	ns     [classes]int64
}

// class is what a state means for where the time went: a column of a wall profile.
type class uint8

const (
	onCPU    class = iota
	runnable       // wants to run: for a P, or for a CPU
	blocked        // waits for something
	classes
)

func classOf(s sample.State) class {
	switch s {
	case sample.Running:
		return onCPU
	case sample.Runnable, sample.Preempted, sample.Throttled:
		return runnable
	}
	return blocked
}

// NewBuilder returns an empty builder.
func NewBuilder(s Symbols, k Keep) *Builder {
	return &Builder{
		symbols: s, keep: k, arch: runtime.GOARCH, epoch: epoch(),
		places: newPlaces(), funcs: make(map[function]*profile.Function),
		folds: make(map[string]*fold), idle: make(map[uint64]*idler), from: make(map[uint64]uint64),
		tally: Tally{seen: idSet{pages: make(map[uint64]*[64]uint64)}},
	}
}

// Tally says what was added so far.
func (b *Builder) Tally() Tally {
	t := b.tally
	t.Goroutines, t.seen = b.tally.seen.n, idSet{}
	t.Idle = len(b.idle)
	for _, x := range b.idle {
		for _, ns := range x.fold.ns {
			t.IdleTime += ns
		}
	}
	t.Wall -= t.IdleTime
	return t
}

// Add folds one sample in. It does not keep the sample or its slices.
func (b *Builder) Add(s *sample.Sample) {
	if b.count(s) {
		return
	}
	if s.LabelsLost {
		b.tally.LabelsLost++
		b.tally.LabelsLostTime += s.Weight + s.Stolen
	}
	b.stack = b.walk(b.stack[:0], s)
	b.fold(s)
	if s.Stolen > 0 && b.keep.Wall {
		part := *s // just before the time on the CPU: timelines have no two states at once
		part.State, part.Count, part.Weight, part.Time = sample.Preempted, 0, s.Stolen, s.Time-s.Weight
		b.tally.Wall += s.Stolen
		b.fold(&part)
	}
}

// fold adds a sample whose stack is in b.stack.
func (b *Builder) fold(s *sample.Sample) {
	if labels := b.benchmark(s); len(labels) > len(s.Labels) {
		one := *s
		one.Labels, s = labels, &one
	}
	b.makeRoom()
	s = b.within(s)
	b.key = b.appendKey(b.key[:0], s)
	f := b.find(s)
	f.count += s.Count
	f.ns[classOf(s.State)] += s.Weight
}

// find returns the fold of the sample whose key is in b.key. A goroutine that has done nothing has
// one of its own, until it does something.
func (b *Builder) find(s *sample.Sample) *fold {
	x := b.idle[s.Goid]
	hold := b.keep.Wall && !b.keep.Idle && s.Idle && len(s.Labels) == 0 && s.Goid != 0
	switch {
	case hold && x != nil:
		return x.fold
	case hold:
		x = &idler{string(b.key), b.newFold(s)}
		b.idle[s.Goid] = x
		return x.fold
	case x != nil:
		b.wake(s.Goid, x)
	}
	f := b.folds[string(b.key)]
	if f == nil && b.limit.full && !b.keep.Timeline {
		s = b.crowded(s)
		b.key = b.appendKey(b.key[:0], s)
		f = b.folds[string(b.key)]
	}
	if f == nil {
		f = b.newFold(s)
		b.folds[string(b.key)] = f
	}
	return f
}

// wake folds in the time of a goroutine that is idle no longer.
func (b *Builder) wake(goid uint64, x *idler) {
	delete(b.idle, goid)
	f := b.folds[x.key]
	if f == nil {
		b.folds[x.key] = x.fold
		return
	}
	for i, ns := range x.fold.ns {
		f.ns[i] += ns
	}
	b.limit.held -= sampleBytes
}

// count keeps the tally. It says whether that is all there is to do: time on a CPU is the on-CPU
// source's to tell, what the goroutine table saw of it is a second opinion.
func (b *Builder) count(s *sample.Sample) (done bool) {
	if s.Loss == sample.Lost {
		b.tally.CPU += s.Weight
		b.tally.Lost += s.Count
		return false
	}
	if s.Goid != 0 {
		b.tally.seen.add(s.Goid)
		if b.keep.Timeline && s.Parent != 0 {
			b.from[s.Goid] = s.Parent
		}
	}
	if s.State == sample.Running && s.Count == 0 && s.Loss != sample.InKernel {
		b.tally.TableCPU += s.Weight
		switch {
		case b.keep.TableToo:
			b.tally.Wall += s.Weight
			return false
		case !b.keep.TableOnly:
			return true
		}
	}
	if b.keep.TableOnly && !b.keep.Wall && s.State != sample.Running {
		return true // the table was opened for its CPU time
	}
	if s.State != sample.Running {
		b.tally.Wall += s.Weight
		return false
	}
	if !b.keep.TableToo {
		b.tally.Wall += s.Weight
	}
	b.tally.CPU += s.Weight
	b.tally.Samples += s.Count
	if len(s.Labels) == 0 {
		b.tally.Unlabeled += s.Weight
	}
	return false
}

// appendKey writes what makes samples equal: the sites of the stack, the labels, the goroutine.
func (b *Builder) appendKey(key []byte, s *sample.Sample) []byte {
	for _, st := range b.stack {
		key = binary.LittleEndian.AppendUint32(key, st.id)
	}
	key = append(key, 0xff, 0xff, 0xff, 0xff) // no site has this id
	key = b.appendLabels(key, s)
	if b.keep.Goroutines || b.keep.Timeline {
		key = binary.LittleEndian.AppendUint64(key, s.Goid)
	}
	if b.keep.Timeline {
		key = binary.LittleEndian.AppendUint64(key, uint64(s.Time))
	}
	if b.keep.Wall {
		key = append(key, s.State...)
		key = append(key, s.Peer...)
		key = append(key, s.Call...)
	}
	return key
}

func (b *Builder) newFold(s *sample.Sample) *fold {
	b.limit.held += sampleBytes
	f := &fold{sites: make([]uint32, len(b.stack)), labels: b.labels(s)}
	for i, st := range b.stack {
		f.sites[i] = st.id
	}
	if b.keep.Goroutines || b.keep.Timeline {
		f.goid = s.Goid
	}
	if b.keep.Timeline {
		f.end, f.waitOn = s.Time, s.WaitOn
	}
	if b.keep.Wall {
		f.state, f.peer, f.call = s.State, s.Peer, s.Call
	}
	return f
}

// Profile returns what was added: a CPU profile has the two columns of runtime/pprof, a wall profile
// five. Samples are in a stable order, heaviest first. The caller fills in TimeNanos, DurationNanos, Period and Comments.
// The builder must not be used afterwards.
func (b *Builder) Profile() *profile.Profile {
	p := &profile.Profile{
		SampleType: b.columns(),
		PeriodType: &profile.ValueType{Type: sample.ColumnCPU, Unit: "nanoseconds"},

		DefaultSampleType: sample.ColumnCPU,
	}
	maps := b.mappings(p)
	locs := b.locations(p, maps)
	for key, f := range b.folds {
		s := f.sample(locs, len(p.SampleType), b.epoch)
		if parent := b.from[f.goid]; parent != 0 {
			s.NumLabel[sample.KeyParent] = []int64{int64(parent)}
		}
		p.Sample = append(p.Sample, s)
		delete(b.folds, key) // its memory goes while the profile's grows
	}
	slices.SortStableFunc(p.Sample, finish.CompareSamples)
	return p
}

func (b *Builder) columns() []*profile.ValueType {
	if b.keep.Wall {
		return finish.Columns()
	}
	return finish.Columns()[:2]
}

// values are the fold's in the first n columns.
func (f *fold) values(n int) []int64 {
	cpu, run, block := f.ns[onCPU], f.ns[runnable], f.ns[blocked]
	return []int64{f.count, cpu, run, block, cpu + run + block}[:n:n]
}

func (f *fold) sample(locs []*profile.Location, columns int, epoch int64) *profile.Sample {
	s := &profile.Sample{Value: f.values(columns), Location: make([]*profile.Location, len(f.sites))}
	for i, id := range f.sites {
		s.Location[i] = locs[id]
	}
	if len(f.labels) > 0 || f.state != "" {
		s.Label = make(map[string][]string, len(f.labels)+1)
	}
	if f.state != "" {
		s.Label[sample.KeyState] = []string{string(f.state)}
	}
	if f.call != "" {
		s.Label[sample.KeySyscall] = []string{f.call}
	}
	if f.peer != "" {
		s.Label[sample.KeyPeer] = []string{f.peer}
	}
	if f.waitOn != "" {
		s.Label[sample.KeyWaitOn] = []string{f.waitOn}
	}
	for _, l := range f.labels {
		s.Label[l.Key] = []string{l.Value} // a set has each key once
	}
	if f.goid != 0 {
		s.NumLabel = map[string][]int64{sample.KeyID: {int64(f.goid)}}
	}
	if f.end != 0 {
		if s.NumLabel == nil {
			s.NumLabel = make(map[string][]int64)
		}
		s.NumLabel[sample.KeyEnd] = []int64{f.end + epoch}
		s.NumUnit = map[string][]string{sample.KeyEnd: {"nanoseconds"}}
	}
	return s
}
