package fold

import (
	"cmp"
	"maps"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Profile returns what was added: a CPU profile has the two columns of runtime/pprof, a wall profile
// five. Samples are in a stable order, heaviest first. The caller fills in TimeNanos, DurationNanos, Period and Comments.
// The builder must not be used afterwards.
func (b *Builder) Profile() *profile.Profile {
	p := &profile.Profile{
		SampleType: b.columns(),
		PeriodType: &profile.ValueType{Type: sample.ColumnCPU, Unit: "nanoseconds"},

		DefaultSampleType: sample.ColumnCPU,
	}
	locs := b.locations(p, b.mappings(p))
	folds := b.sorted()
	b.folds = nil
	for i, f := range folds {
		s := f.sample(locs, f.values(len(p.SampleType), len(b.keep.Events)), b.epoch)
		if class := b.runtimeClass(f.sites); class != "" {
			if s.Label == nil {
				s.Label = make(map[string][]string, 1)
			}
			s.Label[sample.KeyClass] = []string{class}
		}
		if parent := b.from[f.goid]; parent != 0 {
			s.NumLabel[sample.KeyParent] = []int64{int64(parent)}
		}
		p.Sample = append(p.Sample, s)
		folds[i] = nil // its memory goes while the profile's grows
	}
	return p
}

// sorted are the folds in the order of the profile: the heaviest first, and those of one weight by all that they differ in, so
// that the same samples make the same file.
func (b *Builder) sorted() []*fold {
	weight := func(f *fold) int64 { return f.ns[onCPU] }
	if b.keep.Wall {
		weight = (*fold).time
	}
	folds := slices.AppendSeq(make([]*fold, 0, len(b.folds)), maps.Values(b.folds))
	slices.SortFunc(folds, func(x, y *fold) int {
		if c := cmp.Compare(weight(y), weight(x)); c != 0 {
			return c
		}
		if c := slices.Compare(x.sites, y.sites); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(x.end, y.end), cmp.Compare(x.goid, y.goid), cmp.Compare(x.state, y.state), cmp.Compare(x.call, y.call),
			cmp.Compare(x.peer, y.peer), cmp.Compare(x.from.name(), y.from.name()), slices.CompareFunc(x.labels, y.labels, compareLabels))
	})
	return folds
}

func compareLabels(a, b sample.Label) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
}

func (b *Builder) columns() []*profile.ValueType {
	all := Columns()
	if !b.keep.Wall {
		all = all[:2]
	}
	for _, e := range b.keep.Events {
		all = append(all, &profile.ValueType{Type: e, Unit: "count"})
	}
	return all
}

// values are the fold's in n columns, of which the last are those of events.
func (f *fold) values(n, events int) []int64 {
	cpu, run, block := f.ns[onCPU], f.ns[runnable], f.ns[blocked]
	v := make([]int64, n)
	copy(v[:n-events], []int64{f.count, cpu, run, block, cpu + run + block})
	copy(v[n-events:], f.events)
	return v
}

func (f *fold) sample(locs []*profile.Location, values []int64, epoch int64) *profile.Sample {
	s := &profile.Sample{Value: values, Location: make([]*profile.Location, len(f.sites))}
	for i, id := range f.sites {
		s.Location[i] = locs[id]
	}
	if len(f.labels) > 0 || f.state != "" || f.from != nil {
		s.Label = make(map[string][]string, len(f.labels)+2)
	}
	if f.from != nil {
		s.Label[sample.KeyCreatedBy] = []string{f.from.text}
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
