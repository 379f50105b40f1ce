package fold

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/google/pprof/profile"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// profile.Merge wants all its profiles in memory at once and makes a long key of each sample. That is
// too much for a timeline: 38 s of a server with 7,000 short goroutines a second, 2.4 MB as a file,
// took 1.9 GB. Slices of a stream have most of their stacks and labels in common, and intervals never merge:
// so they are joined one at a time, and samples share their stacks and label maps.

// Join is a profile in the making, of slices that it takes one by one.
type Join struct {
	p        *profile.Profile
	mappings map[profile.Mapping]*profile.Mapping // by all but the id
	funcs    map[function]*profile.Function
	locs     map[location]*profile.Location
	of       map[*profile.Location]*profile.Location // of the slice that is being added
	stacks   map[string]*joinedStack
	labels   map[string]*joinedLabels
	folds    map[joinedKey]*profile.Sample
	units    map[string][]string
	key      []byte
}

// location is what makes two locations the same.
type location struct {
	addr    uint64
	mapping *profile.Mapping
	leaf    *profile.Function // of the innermost line
	line    int64
	lines   int
}

type joinedStack struct{ locs []*profile.Location }

type joinedLabels struct{ set map[string][]string }

// joinedKey is what makes two samples equal that are no intervals.
type joinedKey struct {
	stack  *joinedStack
	labels *joinedLabels
	goid   int64
}

func NewJoin() *Join {
	return &Join{
		p: &profile.Profile{}, mappings: make(map[profile.Mapping]*profile.Mapping), funcs: make(map[function]*profile.Function),
		locs: make(map[location]*profile.Location), of: make(map[*profile.Location]*profile.Location),
		stacks: make(map[string]*joinedStack), labels: make(map[string]*joinedLabels),
		folds: make(map[joinedKey]*profile.Sample), units: map[string][]string{sample.KeyEnd: {"nanoseconds"}},
	}
}

// Add takes up a slice, which must not be used any more.
func (j *Join) Add(p *profile.Profile) {
	j.p.SampleType, j.p.PeriodType, j.p.Period, j.p.DefaultSampleType = p.SampleType, p.PeriodType, p.Period, p.DefaultSampleType
	defer clear(j.of)
	for _, m := range p.Mapping {
		j.mapping(m) // all of them, and in their order: the first is the main program
	}
	for _, s := range p.Sample {
		if slices.ContainsFunc(s.Value, func(v int64) bool { return v != 0 }) {
			j.sample(s)
		}
	}
}

func (j *Join) sample(s *profile.Sample) {
	k := joinedKey{j.stack(s.Location), j.labelSet(s.Label), 0}
	if id := s.NumLabel[sample.KeyID]; len(id) > 0 {
		k.goid = id[0]
	}
	_, interval := s.NumLabel[sample.KeyEnd]
	if f := j.folds[k]; f != nil && !interval {
		for i := range min(len(f.Value), len(s.Value)) {
			f.Value[i] += s.Value[i]
		}
		return
	}
	n := &profile.Sample{Location: k.stack.locs, Value: s.Value, Label: k.labels.set, NumLabel: s.NumLabel}
	if interval {
		n.NumUnit = j.units
	} else {
		j.folds[k] = n
	}
	j.p.Sample = append(j.p.Sample, n)
}

func (j *Join) stack(locs []*profile.Location) *joinedStack {
	own := make([]*profile.Location, len(locs))
	j.key = j.key[:0]
	for i, l := range locs {
		own[i] = j.location(l)
		j.key = binary.AppendUvarint(j.key, own[i].ID)
	}
	st := j.stacks[string(j.key)]
	if st == nil {
		st = &joinedStack{own}
		j.stacks[string(j.key)] = st
	}
	return st
}

func (j *Join) labelSet(set map[string][]string) *joinedLabels {
	j.key = j.key[:0]
	for _, k := range slices.Sorted(maps.Keys(set)) {
		for _, text := range append([]string{k}, set[k]...) {
			j.key = append(binary.AppendUvarint(j.key, uint64(len(text))), text...)
		}
		j.key = append(j.key, 0)
	}
	l := j.labels[string(j.key)]
	if l == nil {
		l = &joinedLabels{set}
		j.labels[string(j.key)] = l
	}
	return l
}

func (j *Join) location(l *profile.Location) *profile.Location {
	if own := j.of[l]; own != nil {
		return own
	}
	k := location{addr: l.Address, mapping: j.mapping(l.Mapping), lines: len(l.Line)}
	lines := make([]profile.Line, len(l.Line))
	for i, ln := range l.Line {
		lines[i] = profile.Line{Function: j.function(ln.Function), Line: ln.Line, Column: ln.Column}
	}
	if len(lines) > 0 {
		k.leaf, k.line = lines[0].Function, lines[0].Line
	}
	own := j.locs[k]
	if own == nil {
		own = &profile.Location{ID: uint64(len(j.p.Location) + 1), Address: l.Address, Mapping: k.mapping, Line: lines, IsFolded: l.IsFolded}
		j.locs[k] = own
		j.p.Location = append(j.p.Location, own)
	}
	j.of[l] = own
	return own
}

func (j *Join) function(f *profile.Function) *profile.Function {
	if f == nil {
		return nil
	}
	k := function{f.Name, f.Filename, int(f.StartLine)}
	own := j.funcs[k]
	if own == nil {
		own = &profile.Function{ID: uint64(len(j.p.Function) + 1), Name: f.Name, SystemName: f.SystemName, Filename: f.Filename,
			StartLine: f.StartLine}
		j.funcs[k] = own
		j.p.Function = append(j.p.Function, own)
	}
	return own
}

func (j *Join) mapping(m *profile.Mapping) *profile.Mapping {
	if m == nil {
		return nil
	}
	k := *m
	k.ID = 0
	own := j.mappings[k]
	if own == nil {
		c := k
		c.ID = uint64(len(j.p.Mapping) + 1)
		own = &c
		j.mappings[k] = own
		j.p.Mapping = append(j.p.Mapping, own)
	}
	return own
}

// Profile is what was joined so far, without times and comments.
func (j *Join) Profile() *profile.Profile { return j.p }
