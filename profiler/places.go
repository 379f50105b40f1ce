package profiler

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/symbolize"
)

// places are the addresses of the target that were resolved so far, where each goroutine was
// when it was last on a CPU, and for which benchmark. They outlive a profile: each address is resolved once in a stream.
type places struct {
	exact, calls map[uint64]*site // by interrupted address, by return address
	kernel       map[uint64]*site
	synthetic    map[string]*site
	sites        []*site            // by id; none is changed once it is here
	last         map[uint64][]*site // goroutine's latest stack on a CPU
	bench        benchmarks
}

func newPlaces() *places {
	return &places{
		exact: make(map[uint64]*site), calls: make(map[uint64]*site), kernel: make(map[uint64]*site),
		synthetic: make(map[string]*site), last: make(map[uint64][]*site),
		bench: benchmarks{of: make(map[uint64]string), from: make(map[uint64]uint64)},
	}
}

// next returns an empty builder that knows what b knows. Both may be added to, not at the same time.
func (b *Builder) next() *Builder {
	n := NewBuilder(b.symbols, b.keep)
	n.places, n.epoch = b.places, b.epoch
	return n
}

// freeze parts b from the builders that share its places. Nothing more is added to it, and its
// Profile may be asked for while they go on.
func (b *Builder) freeze() {
	b.places = &places{sites: slices.Clip(b.sites)}
	b.symbols = frozen{b.symbols, b.symbols.Mappings()}
}

// frozen is Symbols whose mappings are those of a moment.
type frozen struct {
	Symbols
	maps []symbolize.Mapping
}

func (f frozen) Mappings() []symbolize.Mapping { return f.maps }

// used says which sites the folds have, by id.
func (b *Builder) used() []bool {
	used := make([]bool, len(b.sites))
	for _, f := range b.folds {
		for _, id := range f.sites {
			used[id] = true
		}
	}
	return used
}
