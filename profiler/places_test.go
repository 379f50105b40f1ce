package profiler

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// The latest stacks of goroutines have a bound that does not know how many goroutines there were, and those
// of goroutines that are on a CPU now and then are among them.
func TestLastStacksAreBounded(t *testing.T) {
	l := newLastStacks(1000)
	stack := make([]*site, 30)
	l.set(1, stack[:3])
	for id := range uint64(100000) {
		l.set(10+id, stack[:1+id%30])
		if id%10 == 0 {
			l.set(1, stack[:3])
		}
		held := 0
		for _, generation := range []map[uint64][]*site{l.young, l.old} {
			for _, s := range generation {
				held += len(s) + lastCost
			}
		}
		if held > 2*(1000+lastCost+30) {
			t.Fatalf("goroutine %d: %d held", id, held)
		}
		if len(l.get(1)) != 3 || len(l.get(10+id)) != int(1+id%30) {
			t.Fatalf("goroutine %d is not there, or the first", id)
		}
	}
}

// A stream forgets its addresses when they are too many, and its slices are none the worse for it.
func TestSitesAreBounded(t *testing.T) {
	b := NewBuilder(program, Keep{Wall: true})
	most := 0
	for i := range 40 {
		for pc := range uint64(maxSites / 8) {
			b.Add(&sample.Sample{Time: 1, Weight: 1, State: "select", Goid: 1, Curg: []uint64{1<<32 + uint64(i)<<20 + pc, program.at("runtime.goexit.abi0", 1)}})
		}
		most = max(most, len(b.sites))
		n := b.next()
		b.freeze()
		p := b.Profile()
		if err := p.CheckValid(); err != nil || len(p.Sample) != maxSites/8 {
			t.Fatalf("slice %d: %d samples, %v", i, len(p.Sample), err)
		}
		b = n
	}
	if most > maxSites*5/4 {
		t.Errorf("%d addresses remembered", most)
	}
}
