package fold

import (
	"hash/maphash"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// places are the addresses of the target that were resolved so far, where each goroutine was
// when it was last on a CPU, and for which benchmark. They outlive a profile: each address is resolved once in a
// stream, or once in maxSites addresses.
type places struct {
	exact, calls map[uint64]*site // by interrupted address, by return address
	kernel       map[uint64]*site
	synthetic    map[string]*site
	sites        []*site // by id; none is changed once it is here
	last         lastStacks
	bench        benchmarks
	creators     creators
}

// maxSites bounds the addresses that a stream remembers from slice to slice, some 3 MB of them. Those of leaves are
// any instruction, so a busy program goes on having new ones for hours; to look all of them up again takes some 20 ms.
const maxSites = 1 << 13

func newPlaces() *places {
	return &places{
		exact: make(map[uint64]*site), calls: make(map[uint64]*site), kernel: make(map[uint64]*site),
		synthetic: make(map[string]*site), last: newLastStacks(maxLast),
		creators: newCreators(), bench: benchmarks{of: make(map[uint64]string), from: make(map[uint64]uint64)},
	}
}

// maxLast bounds the latest stacks of goroutines in a generation: their frames, and lastCost for each.
const (
	maxLast  = 1 << 17
	lastCost = 16
)

// lastStacks has the latest stack on a CPU of each goroutine, until so many others had theirs that it
// may have ended long ago. Two generations: when the young one is full it becomes the old one, which goes.
type lastStacks struct {
	young, old map[uint64]lastStack
	size, max  int
}

// lastStack is a stack and the hash of the labels that the goroutine had there.
type lastStack struct {
	sites  []*site
	labels uint64
}

func newLastStacks(most int) lastStacks {
	return lastStacks{young: make(map[uint64]lastStack), old: make(map[uint64]lastStack), max: most}
}

func (l *lastStacks) get(goid uint64) lastStack {
	if last, ok := l.young[goid]; ok {
		return last
	}
	return l.old[goid]
}

func (l *lastStacks) set(goid uint64, last lastStack) {
	mine, ok := l.young[goid]
	if !ok {
		l.size += lastCost
	}
	l.size += max(0, len(last.sites)-cap(mine.sites)) // what it has it keeps
	l.young[goid] = lastStack{append(mine.sites[:0], last.sites...), last.labels}
	if l.size > l.max {
		l.young, l.old, l.size = l.old, l.young, 0
		clear(l.young)
	}
}

// hashLabels is equal for label sets that are.
func hashLabels(labels []sample.Label) uint64 {
	var h maphash.Hash
	h.SetSeed(labelSeed)
	for _, l := range labels {
		h.WriteString(l.Key)
		h.WriteByte(0)
		h.WriteString(l.Value)
		h.WriteByte(0)
	}
	return h.Sum64()
}

var labelSeed = maphash.MakeSeed()

// creator is a go statement that goroutines were started by.
type creator struct {
	id      uint32 // 1 and up, another one for each text
	created uint64 // its return address, one of them
	text    string // of the label
	timer   bool   // it runs a function of time.AfterFunc
}

// name is the text of the label, "" where there is none.
func (c *creator) name() string {
	if c == nil {
		return ""
	}
	return c.text
}

// maxCreators bounds the go statements of a target, of which programs have some hundreds.
const maxCreators = 1 << 14

// creators are the go statements by return address; nil is one that no label is made of.
type creators struct {
	at map[uint64]*creator
	of map[string]*creator
}

func newCreators() creators {
	return creators{make(map[uint64]*creator), make(map[string]*creator)}
}

// frozen is Symbols whose mappings are those of a moment.
type frozen struct {
	Symbols
	maps []symbolize.Mapping
}

func (f frozen) Mappings() []symbolize.Mapping { return f.maps }

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
