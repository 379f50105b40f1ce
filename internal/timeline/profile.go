package timeline

import (
	"iter"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Profile is a timeline as a profile: all but the samples, and a sample for each piece, as record --timeline writes them.
// Its sums are those of the pieces.
func (t *Timeline) Profile() (*profile.Profile, iter.Seq[*profile.Sample]) {
	p := &profile.Profile{DefaultSampleType: sample.ColumnWall, TimeNanos: t.From, DurationNanos: t.To - t.From,
		PeriodType: &profile.ValueType{Type: sample.ColumnWall, Unit: "nanoseconds"}, Period: 1}
	for _, name := range []string{sample.ColumnSamples, sample.ColumnCPU, sample.ColumnRunnable, sample.ColumnBlocked, sample.ColumnWall} {
		unit := "nanoseconds"
		if name == sample.ColumnSamples {
			unit = "count"
		}
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: name, Unit: unit})
	}
	stacks := t.locations(p)
	return p, func(yield func(*profile.Sample) bool) {
		for _, g := range t.Tracks {
			for i := range g.Pieces {
				if !yield(t.sample(g, &g.Pieces[i], stacks[g.Pieces[i].Stack])) {
					return
				}
			}
		}
	}
}

// locations adds the functions and a location for each of their lines, and returns the stacks of them.
func (t *Timeline) locations(p *profile.Profile) [][]*profile.Location {
	for i, f := range t.Funcs {
		p.Function = append(p.Function, &profile.Function{ID: uint64(i + 1), Name: f.Name, SystemName: f.Name, Filename: f.File,
			StartLine: int64(f.Line)})
	}
	byFrame := make(map[Frame]*profile.Location)
	stacks := make([][]*profile.Location, len(t.Stacks))
	for i, s := range t.Stacks {
		for _, f := range s.Frames {
			l := byFrame[f]
			if l == nil {
				l = &profile.Location{ID: uint64(len(p.Location) + 1), Line: []profile.Line{{Function: p.Function[f.Fn], Line: int64(f.Line)}}}
				byFrame[f] = l
				p.Location = append(p.Location, l)
			}
			stacks[i] = append(stacks[i], l)
		}
	}
	return stacks
}

func (t *Timeline) sample(g *Track, p *Piece, stack []*profile.Location) *profile.Sample {
	state, length := t.States[p.State], p.Length()
	s := &profile.Sample{Location: stack, Value: []int64{0, 0, 0, 0, length}, Label: map[string][]string{sample.KeyState: {state.Name}},
		NumLabel: map[string][]int64{sample.KeyID: {g.Goid}, sample.KeyEnd: {p.To}},
		NumUnit:  map[string][]string{sample.KeyEnd: {"nanoseconds"}}}
	switch sample.State(state.Name) {
	case sample.Running:
		s.Value[1] = length
	case sample.Runnable, sample.Preempted, sample.Throttled:
		s.Value[2] = length
	default:
		s.Value[3] = length
	}
	if g.Parent != 0 {
		s.NumLabel[sample.KeyParent] = []int64{g.Parent}
	}
	if p.By != 0 {
		s.NumLabel[sample.KeyWoken] = []int64{p.By}
	}
	for k, v := range t.Labels[p.Labels] {
		s.Label[k] = []string{v}
	}
	if state.Peer != "" {
		s.Label[sample.KeyPeer] = []string{state.Peer}
	}
	if state.Call != "" {
		s.Label[sample.KeySyscall] = []string{state.Call}
	}
	return s
}
