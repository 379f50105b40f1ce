package page

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// rows are samples added up: those with the same stack and the same labels are one, as for pprof. Ids and times of single
// goroutines are left out of that.
type rows struct {
	*index
	columns []column
	list    []row
	byKey   map[rowKey]int32
	pairs   [][2]int32
	names   []string
}

// column is one sample type, with its sum over all samples.
type column struct {
	name, unit string
	total      *big.Int
}

// rowKey tells rows apart. Samples that say when they were are not in one row with others, or those would be in windows of time.
type rowKey struct {
	stack, set int32
	timed      bool
}

// row is the samples of a key.
type row struct {
	rowKey
	values []int64
}

// rowCost is what a row takes besides its values, with its place in the map, bytes.
const rowCost = 100

func (r *rows) size() int64 { return (rowCost + 16*int64(len(r.columns))) * int64(len(r.list)) }

// fit takes the sample types of the first profile, and refuses another one with others.
func (r *rows) fit(head *profile.Profile) error {
	if r.columns == nil {
		for _, t := range head.SampleType {
			r.columns = append(r.columns, column{t.Type, t.Unit, new(big.Int)})
		}
		return nil
	}
	equal := func(c column, t *profile.ValueType) bool { return c.name == t.Type && c.unit == t.Unit }
	if !slices.EqualFunc(r.columns, head.SampleType, equal) {
		return fmt.Errorf("its sample types are not those of the file before")
	}
	return nil
}

// add returns the number of a sample's row; false for a sample that has nothing.
func (r *rows) add(s *profile.Sample, names map[*profile.Location][]int32, timed bool) (int32, bool) {
	empty := true
	for i, v := range s.Value {
		r.columns[i].total.Add(r.columns[i].total, big.NewInt(v))
		empty = empty && v == 0
	}
	if empty {
		return 0, false
	}
	node := int32(0)
	for _, l := range slices.Backward(s.Location) {
		frames, ok := names[l]
		if !ok {
			frames = r.frames(l)
			names[l] = frames
		}
		for _, f := range frames {
			node = r.stacks.child(node, f)
		}
	}
	at := r.row(rowKey{node, r.labels(s), timed})
	for i, v := range s.Value {
		r.list[at].values[i] = saturate(r.list[at].values[i], v)
	}
	return at, true
}

// row is the number of the row of a key.
func (r *rows) row(k rowKey) int32 {
	i, ok := r.byKey[k]
	if !ok {
		i = int32(len(r.list))
		r.byKey[k] = i
		r.list = append(r.list, row{k, make([]int64, len(r.columns))})
	}
	return i
}

// single are the numeric labels that only one goroutine, or one moment, has.
var single = []string{sample.KeyID, sample.KeyParent, sample.KeyWoken, sample.KeyEnd, sample.KeyCall}

// labels is the number of the set of a sample's labels.
func (r *rows) labels(s *profile.Sample) int32 {
	r.pairs, r.names = r.pairs[:0], slices.AppendSeq(r.names[:0], maps.Keys(s.Label))
	slices.Sort(r.names) // so that the same profile makes the same page
	for _, k := range r.names {
		for _, v := range s.Label[k] {
			if v, ok := lasting(k, v); ok {
				r.pairs = append(r.pairs, r.pair(k, v))
			}
		}
	}
	r.names = slices.AppendSeq(r.names[:0], maps.Keys(s.NumLabel))
	slices.Sort(r.names)
	for _, k := range r.names {
		if slices.Contains(single, k) {
			continue
		}
		for i := range s.NumLabel[k] {
			r.pairs = append(r.pairs, r.pair(k, samples.NumberText(s, k, i)))
		}
	}
	return r.set(r.pairs)
}

// saturate adds two values; a sum that int64 cannot hold is the largest that it can.
func saturate(a, b int64) int64 {
	s := a + b
	if a > 0 && b > 0 && s < 0 {
		return 1<<63 - 1
	}
	return s
}

// order is the rows by the places of their stacks.
func (r *rows) order(place []int32) []int {
	order := make([]int, len(r.list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return int(place[r.list[x].stack]) - int(place[r.list[y].stack]) })
	return order
}

// put writes the rows in an order.
func (r *rows) put(a *arrays, order []int, place []int32) {
	var stack, set []int32
	last := int32(0)
	for _, i := range order {
		at := place[r.list[i].stack]
		stack, set, last = append(stack, at-last), append(set, r.list[i].set), at
	}
	put(a, "stack", stack)
	put(a, "set", set)
	for c := range r.columns {
		values, parts := make([]int64, len(order)), r.parts(c)
		for at, i := range order {
			values[at] = r.list[i].values[c]
			for _, part := range parts {
				values[at] -= r.list[i].values[part]
			}
		}
		put(a, "value "+strconv.Itoa(c), values) // names may be there twice
	}
}

// exact is what numbers of JavaScript hold without rounding.
const exact = 1 << 53

// parts are the columns whose sum a column is, as that of wall, so that only what differs is written; none for the others.
func (r *rows) parts(c int) (list []int) {
	if r.columns[c].name != sample.ColumnWall {
		return nil
	}
	for i, col := range r.columns {
		if slices.Contains([]string{sample.ColumnCPU, sample.ColumnRunnable, sample.ColumnBlocked}, col.name) {
			list = append(list, i)
		}
	}
	inexact := func(v int64) bool { return v < 0 || v >= exact>>len(list) }
	if slices.ContainsFunc(r.list, func(row row) bool { return slices.ContainsFunc(row.values, inexact) }) {
		return nil
	}
	return list
}
