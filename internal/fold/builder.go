// Package fold makes a pprof profile of samples. A Builder puts back the caller of a stack's leaf, cuts stacks where they end,
// resolves each distinct address once and adds up the samples that are equal in stack and labels. What is done with a profile
// whose samples are all there is here too: states are balanced (Reconcile, Ration), texts made what profile.proto wants (Tidy),
// slices joined (Join).
package fold

import (
	"runtime"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Keep says what a profile keeps of its samples beyond stack and program labels. The zero value
// keeps nothing more.
type Keep struct {
	Goroutines bool // the goroutine id, as numeric label go.id
	Wall       bool // all states: five columns and the label go.state, instead of CPU time only
	TableOnly  bool // no on-CPU source; the goroutine table tells CPU time, without frames
	TableToo   bool // with Wall: what the table saw running, too, beside what the on-CPU source saw; Reconcile makes one of both
	Timeline   bool // with Wall: each sample by itself, with the numeric labels go.id, go.parent and end_timestamp_ns
	Idle       bool // with Wall: goroutines without labels that did nothing while recording, too

	Events []string // events that have a column, behind those of time; not with Timeline
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

// function is what makes two frames the same pprof function.
type function struct {
	name, file string
	start      int
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

	TimerCPU, TimerWall int64  // ns on a CPU, and in all states, of functions of time.AfterFunc, without labels
	Timers              string // what started them, as CreatedBy has it

	Renamed []string // keys of labels that are others in the profile, some of them

	seen idSet
}

// fold is all samples that have one stack and one set of labels.
type fold struct {
	sites  []uint32
	labels []sample.Label
	state  sample.State // only in wall profiles
	peer   string
	call   string
	from   *creator // nil: not known
	waitOn string   // only in timelines: elsewhere there would be as many samples as there are channels
	goid   uint64
	end    int64 // CLOCK_MONOTONIC, ns; only in timelines
	count  int64
	ns     [classes]int64
	events []int64 // of Keep.Events; nil: none
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
		symbols: s, keep: k, arch: runtime.GOARCH, epoch: proc.Epoch(),
		places: newPlaces(), funcs: make(map[function]*profile.Function),
		folds: make(map[string]*fold), idle: make(map[uint64]*idler), from: make(map[uint64]uint64),
		tally: Tally{seen: idSet{pages: make(map[uint64]*[64]uint64)}},
	}
}

// Tally says what was added so far.
func (b *Builder) Tally() Tally {
	t := b.tally
	t.Goroutines, t.seen = b.tally.seen.n, idSet{}
	t.Renamed = b.words.renamed
	t.Idle = len(b.idle)
	for _, x := range b.idle {
		for _, ns := range x.fold.ns {
			t.IdleTime += ns
		}
	}
	t.Wall -= t.IdleTime
	return t
}

// OnCPU is how many samples on a CPU were added so far, and their time: what is cheap to ask for now and then.
func (b *Builder) OnCPU() (samples int64, cpu time.Duration) {
	return b.tally.Samples, time.Duration(b.tally.CPU)
}

// Epoch is the Unix time in ns at which the clock of the samples was zero.
func (b *Builder) Epoch() int64 { return b.epoch }

// folding is what a builder does to stay within its limit.
type folding struct {
	bytes int              // that all of the process may take; 0: any number
	most  int              // bytes that samples may take; 0: any number
	held  int              // that they take, estimated: SampleBytes each
	keys  map[string]*loss // labels that lost their values
	full  bool             // no more kinds of samples are taken up
	left  loss             // samples that are without stack and labels therefore
	label []sample.Label   // of the sample at hand
}

// loss is how many samples lost something, and their time.
type loss struct{ samples, ns int64 }

func (l *loss) add(s *sample.Sample) {
	l.samples++
	l.ns += s.Weight
}

// idSet is a set of goroutine ids. The runtime counts them up, so that they lie close together: a million takes 128 KiB.
type idSet struct {
	n     int
	pages map[uint64]*[64]uint64 // by the upper bits, a bit for each of 4,096 ids
}

// maxIDPages bounds what ids that do not lie together take, 32 MiB; more of them are not counted.
const maxIDPages = 1 << 16

func (s *idSet) add(id uint64) {
	p := s.pages[id>>12]
	if p == nil {
		if len(s.pages) == maxIDPages {
			return
		}
		p = new([64]uint64)
		s.pages[id>>12] = p
	}
	word, bit := &p[id>>6&63], uint64(1)<<(id&63)
	if *word&bit == 0 {
		*word |= bit
		s.n++
	}
}
