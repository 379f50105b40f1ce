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
	b := a.next()
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

// The rule of Slices, case by case: what of a sample goes before the border at 1000, and what
// after it.
func TestSortSamples(t *testing.T) {
	tests := []struct {
		name          string
		s             sample.Sample
		before, after int64 // ns
	}{
		{"an interval before", sample.Sample{Time: 900, Weight: 400, State: "select"}, 400, 0},
		{"an interval to the border", sample.Sample{Time: 1000, Weight: 400, State: "select"}, 400, 0},
		{"an interval across", sample.Sample{Time: 1100, Weight: 400, State: "select"}, 300, 100},
		{"an interval from the border", sample.Sample{Time: 1400, Weight: 400, State: "select"}, 0, 400},
		{"an interval after", sample.Sample{Time: 2000, Weight: 400, State: "select"}, 0, 400},
		{"an event before", sample.Sample{Time: 1000, Weight: 400, Count: 1, State: sample.Running}, 400, 0},
		{"an event after", sample.Sample{Time: 1001, Weight: 400, Count: 1, State: sample.Running}, 0, 400},
		{"lost events", sample.Sample{Time: 1001, Weight: 400, Count: 9, State: sample.Running, Loss: sample.Lost}, 0, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			slices := NewSlices(NewBuilder(program, Keep{Wall: true}))
			slices.Cut(1000)
			tt.s.Curg = []uint64{program.at("main.work", 16), program.at("runtime.goexit.abi0", 1)}
			slices.Add(&tt.s)
			before, after := slices.Close().Profile(), slices.Last().Profile()
			if a, b := wallTime(before), wallTime(after); a != tt.before || b != tt.after {
				t.Errorf("%d ns before the border and %d after it, want %d and %d", a, b, tt.before, tt.after)
			}
		})
	}
}

func wallTime(p *profile.Profile) (ns int64) {
	for _, s := range p.Sample {
		ns += s.Value[4]
	}
	return ns
}
