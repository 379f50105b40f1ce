package fold

import (
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// counted is a program that counts how often each address is resolved.
type counted struct {
	text
	n map[uint64]int
}

func (c counted) Resolve(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int) {
	c.n[pc]++
	return c.text.Resolve(dst, pc)
}

// Each address is resolved once in a stream, and a slice holds the locations that its samples have
// and no others.
func TestSlicesShareSymbols(t *testing.T) {
	symbols := counted{program, make(map[uint64]int)}
	stack := func(leaf string) sample.Sample {
		return sample.Sample{Time: 1, Weight: 1, Goid: 7, State: "select",
			Curg: []uint64{program.at(leaf, 16), program.at("main.main", 16), program.at("runtime.goexit.abi0", 1)}}
	}
	a := NewBuilder(symbols, Keep{Wall: true})
	s := stack("main.work")
	a.Add(&s)
	b := a.Next()
	s = stack("runtime.gopark")
	b.Add(&s)
	b.Add(&s)
	a.Freeze()
	first := a.Profile()
	b.Freeze()
	second := b.Profile()
	for pc, n := range symbols.n {
		if n != 1 {
			t.Errorf("%#x was resolved %d times", pc, n)
		}
	}
	for i, p := range []*profile.Profile{first, second} {
		if err := p.CheckValid(); err != nil {
			t.Error(err)
		}
		if len(p.Location) != 2 || len(p.Function) != 2 {
			t.Errorf("profile %d has %d locations and %d functions, want 2", i, len(p.Location), len(p.Function))
		}
	}
}
