package fold

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A call adds nothing to what the profile's columns say. Its function is the profile's own where that has it, and one without a
// name has no calls.
func TestAddCalls(t *testing.T) {
	at := program.at
	b := NewBuilder(program, Keep{Wall: true, Timeline: true})
	b.Add(&sample.Sample{Time: 1000, Weight: 400, Goid: 7, State: "select", Curg: []uint64{at("main.work", 16), at("runtime.goexit.abi0", 1)}})
	b.Freeze()
	p := b.Profile()
	functions, before := len(p.Function), columnSums(p)
	entries := []uint64{at("main.work", 0), at("main.(*T).Wrapper", 0), at("main.main", 0)}
	b.AddCalls(p, entries, []Call{{0, 7, 500, 900}, {1, 7, 1, 2}, {2, 8, 600, 650}, {3, 8, 1, 2}})
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	if after := columnSums(p); !slices.Equal(after, before) || len(p.Function) != functions+1 {
		t.Errorf("columns %d and %d functions, were %d and %d", after, len(p.Function), before, functions)
	}
	want := map[string][]int64{"main.work": {7, 900 + b.Epoch(), 400}, "main.main": {8, 650 + b.Epoch(), 50}}
	got := make(map[string][]int64)
	for _, s := range p.Sample[1:] {
		got[stack(s)] = slices.Concat(s.NumLabel[sample.KeyID], s.NumLabel[sample.KeyEnd], s.NumLabel[sample.KeyCall])
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Error(fmt.Sprint(got), "want", fmt.Sprint(want))
	}
}
