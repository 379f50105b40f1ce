package page

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"path"
	"slices"
	"strconv"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Builder adds profiles up to a page. What has the same stack and the same labels is one row, as for pprof; ids and
// times of single goroutines are left out of that.
type Builder struct {
	options     Options
	columns     []column
	defaultType string // the default sample type
	notes       []string
	start       int64 // Unix ns
	duration    int64
	stacks      trie
	texts       table
	sets        table // of labels, each a list of pairs of texts
	rows        []row
	byRow       map[[2]int32]int32
	spans       []span
	life        *life // nil without a timeline
	length      int   // the sample type that says how long a span is
	key         []byte
	pairs       [][2]int32
	names       []string
}

// column is one sample type, with its sum over all samples.
type column struct {
	name, unit string
	total      *big.Int
}

// row is the samples with a stack and a set of labels.
type row struct {
	stack, set int32
	values     []int64
}

// New begins a page without samples.
func New(o Options) *Builder {
	return &Builder{options: o, byRow: make(map[[2]int32]int32), stacks: newTrie()}
}

// Add adds a profile whose samples are given apart: those of a large file need not be in memory together. Its sample
// types have to be those of the profiles before.
func (b *Builder) Add(head *profile.Profile, samples iter.Seq[*profile.Sample]) error {
	if err := b.fit(head); err != nil {
		return err
	}
	if b.start == 0 || head.TimeNanos > 0 && head.TimeNanos < b.start {
		b.start = head.TimeNanos
	}
	b.duration += head.DurationNanos
	for _, c := range head.Comments {
		if !slices.Contains(b.notes, c) {
			b.notes = append(b.notes, c)
		}
	}
	b.length = lengthColumn(head)
	names := make(map[*profile.Location][]int32)
	for s := range samples {
		if len(s.Value) != len(b.columns) {
			return fmt.Errorf("a sample has %d values of %d", len(s.Value), len(b.columns))
		}
		b.add(s, names)
	}
	return nil
}

// fit takes the sample types of the first profile, and refuses another one with others.
func (b *Builder) fit(head *profile.Profile) error {
	if b.columns == nil {
		for _, t := range head.SampleType {
			b.columns = append(b.columns, column{t.Type, t.Unit, new(big.Int)})
		}
		b.defaultType = head.DefaultSampleType
		return nil
	}
	equal := func(c column, t *profile.ValueType) bool { return c.name == t.Type && c.unit == t.Unit }
	if !slices.EqualFunc(b.columns, head.SampleType, equal) {
		return fmt.Errorf("its sample types are not those of the file before")
	}
	return nil
}

func (b *Builder) add(s *profile.Sample, names map[*profile.Location][]int32) {
	empty := true
	for i, v := range s.Value {
		b.columns[i].total.Add(b.columns[i].total, big.NewInt(v))
		empty = empty && v == 0
	}
	if empty {
		return
	}
	node := int32(0)
	for _, l := range slices.Backward(s.Location) {
		frames, ok := names[l]
		if !ok {
			frames = b.frames(l)
			names[l] = frames
		}
		for _, f := range frames {
			node = b.stacks.child(node, f)
		}
	}
	r := b.row(node, b.labels(s))
	for i, v := range s.Value {
		b.rows[r].values[i] = saturate(b.rows[r].values[i], v)
	}
	b.note(s, r)
}

// row is the number of the row of a stack with a set of labels.
func (b *Builder) row(stack, set int32) int32 {
	i, ok := b.byRow[[2]int32{stack, set}]
	if !ok {
		i = int32(len(b.rows))
		b.byRow[[2]int32{stack, set}] = i
		b.rows = append(b.rows, row{stack, set, make([]int64, len(b.columns))})
	}
	return i
}

// frames are the functions of a location, root first.
func (b *Builder) frames(l *profile.Location) (frames []int32) {
	for _, ln := range slices.Backward(l.Line) {
		name, file := "[unknown]", ""
		if ln.Function != nil {
			name, file = cmp.Or(ln.Function.Name, ln.Function.SystemName, name), ln.Function.Filename
		}
		frames = append(frames, b.stacks.frame(b.texts.of(name), b.texts.of(file)))
	}
	if len(l.Line) == 0 {
		name := "[unknown]"
		if l.Mapping != nil && l.Mapping.File != "" {
			name = "[" + path.Base(l.Mapping.File) + "]"
		}
		frames = append(frames, b.stacks.frame(b.texts.of(name), b.texts.of("")))
	}
	return frames
}

// single are the numeric labels that only one goroutine, or one moment, has.
var single = []string{sample.KeyID, sample.KeyParent, sample.KeyEnd, sample.KeyCall}

// labels is the number of the set of a sample's labels.
func (b *Builder) labels(s *profile.Sample) int32 {
	b.pairs, b.names = b.pairs[:0], slices.AppendSeq(b.names[:0], maps.Keys(s.Label))
	slices.Sort(b.names) // so that the same profile makes the same page
	for _, k := range b.names {
		for _, v := range s.Label[k] {
			if v, ok := lasting(k, v); ok {
				b.pairs = append(b.pairs, [2]int32{b.texts.of(k), b.texts.of(v)})
			}
		}
	}
	b.names = slices.AppendSeq(b.names[:0], maps.Keys(s.NumLabel))
	slices.Sort(b.names)
	for _, k := range b.names {
		if slices.Contains(single, k) {
			continue
		}
		for i, v := range s.NumLabel[k] {
			text := strconv.FormatInt(v, 10)
			if units := s.NumUnit[k]; i < len(units) && units[i] != "" {
				text += " " + units[i]
			}
			b.pairs = append(b.pairs, [2]int32{b.texts.of(k), b.texts.of(text)})
		}
	}
	slices.SortFunc(b.pairs, func(x, y [2]int32) int { return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1])) })
	b.key = b.key[:0]
	for _, p := range b.pairs {
		b.key = binary.AppendUvarint(binary.AppendUvarint(b.key, uint64(p[0])), uint64(p[1]))
	}
	return b.sets.of(string(b.key))
}

// lasting is a label's value without what is of one moment only, such as how full a channel is. Of what a goroutine waits
// for, one object is kept; the cases of a select are another list at each call.
func lasting(key, value string) (string, bool) {
	if key != sample.KeyWaitOn {
		return value, true
	}
	objects, _, err := sample.ParseObjects(value)
	if err != nil {
		return value, true
	}
	if len(objects) != 1 || objects[0].Kind == sample.Timer || objects[0].Time {
		return "", false
	}
	return fmt.Sprintf("%v %#x", objects[0].Kind, objects[0].Addr), true
}

// saturate adds two values; a sum that int64 cannot hold is the largest that it can.
func saturate(a, b int64) int64 {
	s := a + b
	if a > 0 && b > 0 && s < 0 {
		return 1<<63 - 1
	}
	return s
}

// Columns are the names of the sample types.
func (b *Builder) Columns() (names []string) {
	for _, c := range b.columns {
		names = append(names, c.name)
	}
	return names
}
