package relabel

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// relabeling is rules at work on one profile: all its labels are counted before it is known which leave.
type relabeling struct {
	rules  *Rules
	keys   map[key]*tally
	column int
	parts  []part // of the sample at hand
}

// part is a label of a sample as numbers: whatever a program calls its labels, what tells samples apart is short.
type part struct{ key, at, value uint64 }

// key is that of a label, whose values are texts or numbers.
type key struct {
	name   string
	number bool
}

// value is a text, or a number with its unit.
type value struct {
	text   string
	number int64
}

// tally is what there is of a key.
type tally struct {
	key
	id        uint64            // of the key
	refused   string            // why none of it leaves; "": some does
	hashed    bool              // values leave as hashes
	rewritten map[value]value   // those that leave as something else, if they are not too many
	weights   map[value]float64 // of what leaves or, where none does, of what there is
	kept      map[value]bool    // of weights; nil: all
	ids       map[value]uint64  // of what has left
	truncated int               // values
}

// count counts a sample's labels.
func (x *relabeling) count(s *profile.Sample) {
	weight := 0.0
	if x.column >= 0 && x.column < len(s.Value) {
		weight = float64(s.Value[x.column])
	}
	for name, texts := range s.Label {
		t := x.tally(key{name, false})
		for _, text := range texts {
			t.weights[t.rewrite(x.rules, value{text: text})] += weight
		}
	}
	for name, numbers := range s.NumLabel {
		t := x.tally(key{name, true})
		for i, n := range numbers {
			t.weights[t.rewrite(x.rules, value{unitOf(s, name, i), n})] += weight
		}
	}
}

func (x *relabeling) tally(k key) *tally {
	t := x.keys[k]
	if t == nil {
		t = &tally{key: k, id: uint64(len(x.keys)), refused: x.rules.refuses(k.name), hashed: slices.Contains(x.rules.Hash, k.name),
			rewritten: make(map[value]value), weights: make(map[value]float64), ids: make(map[value]uint64)}
		x.keys[k] = t
	}
	return t
}

// rewrite is a value as it leaves if there are not too many.
func (t *tally) rewrite(r *Rules, v value) value {
	switch {
	case t.refused != "", !t.hashed && (t.number || !r.long(v.text)):
		return v
	}
	as, known := t.rewritten[v]
	if known {
		return as
	}
	as = value{text: v.text}
	if t.hashed && t.number {
		as.text = samples.NumberText(&profile.Sample{NumLabel: map[string][]int64{"": {v.number}},
			NumUnit: map[string][]string{"": {v.text}}}, "", 0)
	}
	if t.hashed {
		as.text = r.hash(as.text)
	}
	if cut := r.cut(as.text); cut != as.text {
		as.text = cut
		t.truncated++
	}
	t.rewritten[v] = as
	return as
}

// decide finds the values that are kept of those that are too many.
func (t *tally) decide(most int) {
	if t.refused != "" || most <= 0 || len(t.weights) <= most {
		return
	}
	list := slices.Collect(maps.Keys(t.weights))
	slices.SortFunc(list, func(a, b value) int {
		return cmp.Or(cmp.Compare(t.weights[b], t.weights[a]), cmp.Compare(a.text, b.text), cmp.Compare(a.number, b.number))
	})
	heaviest, all := 0.0, 0.0
	for i, v := range list {
		if all += t.weights[v]; i < most {
			heaviest += t.weights[v]
		}
	}
	t.kept = make(map[value]bool)
	if 2*heaviest >= all && all > 0 {
		for _, v := range list[:most] {
			t.kept[v] = true
		}
	}
}

// leaves is what leaves for a value, unless it is one of those that are too many.
func (t *tally) leaves(r *Rules, v value) (as value, kept bool) {
	as = t.rewrite(r, v)
	return as, t.kept == nil || t.kept[as]
}

// samples are those of a profile with the labels that leave, equal ones added up.
func (x *relabeling) samples(list []*profile.Sample) (all []*profile.Sample) {
	byIdentity := make(map[string]*profile.Sample)
	var identity []byte
	for _, s := range list {
		if !slices.ContainsFunc(s.Value, func(v int64) bool { return v != 0 }) {
			continue
		}
		out := x.relabeled(s)
		identity = x.appendIdentity(identity[:0], out)
		same := byIdentity[string(identity)]
		if same == nil || overflows(same.Value, s.Value) {
			out.Value = slices.Clone(s.Value)
			byIdentity[string(identity)] = out
			all = append(all, out)
			continue
		}
		for i, v := range s.Value {
			same.Value[i] += v
		}
	}
	return all
}

// overflows says whether the sums of two samples are more than 63 bits: then they stay two.
func overflows(a, b []int64) bool {
	for i := range a {
		if a[i]+b[i] < a[i] {
			return true
		}
	}
	return false
}

// relabeled is a sample with the labels of s that leave, and no values yet.
func (x *relabeling) relabeled(s *profile.Sample) *profile.Sample {
	out := &profile.Sample{Location: s.Location}
	x.parts = x.parts[:0]
	for name, texts := range s.Label {
		t := x.keys[key{name, false}]
		for _, text := range texts {
			x.leave(t, out, value{text: text})
		}
	}
	for name, numbers := range s.NumLabel {
		t := x.keys[key{name, true}]
		for i, n := range numbers {
			x.leave(t, out, value{unitOf(s, name, i), n})
		}
	}
	return out
}

// leave gives a sample what leaves for a value.
func (x *relabeling) leave(t *tally, out *profile.Sample, v value) {
	as, kept := t.leaves(x.rules, v)
	switch {
	case t.refused != "", !kept && t.number:
		return
	case !kept:
		as = value{text: sample.OtherValue}
		if slices.Contains(out.Label[t.name], as.text) {
			return
		}
	}
	id, known := t.ids[as]
	if !known {
		id = uint64(len(t.ids))
		t.ids[as] = id
	}
	x.parts = append(x.parts, part{t.id, uint64(len(x.parts)), id})
	if t.number && !t.hashed {
		addNumber(out, t.name, as)
	} else {
		addText(out, t.name, as.text)
	}
}

func addText(s *profile.Sample, name, text string) {
	if s.Label == nil {
		s.Label = make(map[string][]string)
	}
	s.Label[name] = append(s.Label[name], text)
}

func addNumber(s *profile.Sample, name string, v value) {
	if s.NumLabel == nil {
		s.NumLabel, s.NumUnit = make(map[string][]int64), make(map[string][]string)
	}
	s.NumLabel[name], s.NumUnit[name] = append(s.NumLabel[name], v.number), append(s.NumUnit[name], v.text)
}

func unitOf(s *profile.Sample, name string, i int) string {
	if units := s.NumUnit[name]; i < len(units) {
		return units[i]
	}
	return ""
}

// appendIdentity appends what makes a sample another one: its stack, and its labels by key, each key's values in their order.
func (x *relabeling) appendIdentity(b []byte, s *profile.Sample) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.Location)))
	for _, l := range s.Location {
		b = binary.AppendUvarint(b, l.ID)
	}
	slices.SortFunc(x.parts, func(a, b part) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at)) })
	for _, p := range x.parts {
		b = binary.AppendUvarint(binary.AppendUvarint(b, p.key), p.value)
	}
	return b
}

// refused is what did not leave as it is, by key.
func (x *relabeling) refused() []Refusal {
	list := []Refusal{}
	for k, t := range x.keys {
		switch {
		case t.refused != "":
			list = append(list, Refusal{k.name, len(t.weights), t.refused})
		case t.kept != nil:
			list = append(list, Refusal{k.name, len(t.weights) - len(t.kept), TooMany})
		}
		if t.truncated > 0 {
			list = append(list, Refusal{k.name, t.truncated, Truncated})
		}
	}
	slices.SortFunc(list, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Why, b.Why), cmp.Compare(a.Values, b.Values))
	})
	return list
}
