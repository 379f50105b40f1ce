package fold

import (
	"slices"
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What goroutines read adds nothing to what the profile's columns say.
func TestAddArrivals(t *testing.T) {
	b := NewBuilder(program, Keep{Wall: true, Timeline: true})
	b.Add(&sample.Sample{Time: 1000, Weight: 400, Goid: 7, State: "select", Curg: []uint64{program.at("main.work", 16)}})
	b.Freeze()
	p := b.Profile()
	before := columnSums(p)
	all := make([]sample.Arrival, 2*atOnce+1)
	for i := range all {
		all[i] = sample.Arrival{Came: int64(1000 * i), Read: int64(1000*i + 1 + i)}
	}
	b.AddArrivals(p, map[uint64][]sample.Arrival{9: slices.Clone(all), 8: {{Came: 5, Read: 7}}})
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	if after := columnSums(p); !slices.Equal(after, before) || len(p.Sample) != 1+3+1 {
		t.Errorf("columns %d in %d samples, were %d in one, and three and one were to come", after, len(p.Sample), before)
	}
	got := map[int64][]sample.Arrival{}
	for _, s := range p.Sample[1:] {
		for _, a := range sample.ParseArrivals(s.Label[sample.KeyUnread][0]) {
			id := s.NumLabel[sample.KeyID][0]
			got[id] = append(got[id], sample.Arrival{Came: a.Came - b.Epoch(), Read: a.Read - b.Epoch()})
		}
	}
	if !slices.Equal(got[9], all) || !slices.Equal(got[8], []sample.Arrival{{Came: 5, Read: 7}}) {
		t.Errorf("%d and %d arrivals, want %d and 1, as they are", len(got[9]), len(got[8]), len(all))
	}
}
