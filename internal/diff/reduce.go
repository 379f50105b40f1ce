package diff

import (
	"io"
	"iter"
	"math"
	"strconv"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/work"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Reduce adds p up by rows. It keeps nothing of p.
func Reduce(p *profile.Profile, name string, o Options) *Profile {
	return reduce(p, numbered(p), name, o)
}

// numbered are the samples of p with the numbers of their locations, as samples.File has them.
func numbered(p *profile.Profile) iter.Seq2[*profile.Sample, []int32] {
	number := make(map[*profile.Location]int32, len(p.Location))
	for i, l := range p.Location {
		number[l] = int32(i)
	}
	return func(yield func(*profile.Sample, []int32) bool) {
		var at []int32
		for _, s := range p.Sample {
			at = at[:0]
			for _, l := range s.Location {
				at = append(at, number[l])
			}
			if !yield(s, at) {
				return
			}
		}
	}
}

// ReduceFrom reads a profile as samples.Open does, and adds it up as Reduce does.
func ReduceFrom(r io.Reader, name string, o Options) (*Profile, error) {
	f, err := samples.Open(r, name)
	if err != nil {
		return nil, err
	}
	p := reduce(f.Head, f.Numbered(), name, o)
	return p, f.Err()
}

// reduce adds samples up; head is the profile that they belong to, with or without samples.
func reduce(head *profile.Profile, samples iter.Seq2[*profile.Sample, []int32], name string, o Options) *Profile {
	r := &reducer{
		p: head, asked: o.Columns, by: o.By, per: o.Per, cumulative: o.Cumulative || o.By.frames() && !o.By.Line, index: make(map[string]int32),
		out: &Profile{Name: name, Seconds: float64(head.DurationNanos) / 1e9, facts: readFacts(head), begun: head.TimeNanos},
	}
	if r.out.work = work.Read(head.Comments); len(r.out.work.Benchmarks) > 0 {
		r.groups = newGroups(&r.out.work)
	}
	if len(o.Within) > 0 {
		r.out.within = newWithin(o.Within, o.Folded)
	}
	r.columns()
	r.frames()
	r.spans(samples)
	requests := make(map[string]struct{})
	for s, at := range samples {
		r.add(s, at)
		if r.per == "" {
			continue
		}
		for _, v := range s.Label[r.per] {
			requests[v] = struct{}{}
		}
	}
	r.out.requests = float64(len(requests))
	r.out.rows = r.names
	r.out.files = r.files
	for _, c := range r.out.cols {
		c.grow(len(r.names), false)
	}
	return r.out
}

// reducer is the work of Reduce.
type reducer struct {
	p          *profile.Profile
	asked      []string
	by         By
	per        string
	cumulative bool
	groups     *groups // nil without benchmarks
	out        *Profile

	index map[string]int32 // row by name
	names []string
	files []string  // by row, where it is of a function
	value []int     // columns of out.cols in a sample's values
	worth []float64 // ns of one in them
	count int       // the column samples/count, or -1

	leaf, waits []int32    // by location's number, the row of a stack's leaf; of who waits there, or -1
	inner       byLocation // the rows of a location with its inlined frames
	funcs       map[*profile.Function]string
	stamp       []int32 // by row, the last stack that had it: a row counts once a stack
	rows        []int32 // of a stack
	interest    []int   // by row, its number in what is asked for with Within, or -1
	numbers     []int   // the same of a stack
	seen        int32
	from, step  float64 // of blocks, Unix ns; step 0: no timeline
}

// columns makes room for the profile's columns.
func (r *reducer) columns() {
	r.count = countOf(r.p)
	for _, t := range r.p.SampleType {
		r.out.types = append(r.out.types, Clean(t.Type+"/"+t.Unit))
	}
	for _, c := range columnsOf(r.p, r.asked) {
		if !c.time {
			r.out.plain = append(r.out.plain, c.name)
		}
		r.out.Columns = append(r.out.Columns, c.name)
		r.value, r.worth = append(r.value, c.value), append(r.worth, c.worth)
		r.out.cols = append(r.out.cols, &sums{})
	}
}

// frames resolves each location once.
func (r *reducer) frames() {
	if !r.by.frames() {
		return
	}
	r.funcs = make(map[*profile.Function]string, len(r.p.Function))
	for _, f := range r.p.Function {
		r.funcs[f] = FuncName(f.Name)
	}
	for _, l := range r.p.Location {
		r.inner.next()
		if len(l.Line) == 0 {
			row := r.row(samples.Unnamed(l))
			r.inner.add(row)
			r.leaf, r.waits = append(r.leaf, row), append(r.waits, row)
			continue
		}
		leaf, waits := int32(-1), int32(-1)
		for _, line := range l.Line {
			row := r.row(r.lineName(line))
			r.inFile(row, line.Function)
			if leaf < 0 {
				leaf = row
			}
			if waits < 0 && line.Function != nil && !ofGo(r.funcs[line.Function]) {
				waits = row
			}
			if r.cumulative {
				r.inner.add(row)
			}
		}
		r.leaf, r.waits = append(r.leaf, leaf), append(r.waits, waits)
	}
	r.inner.next()
}

// inFile keeps the file of a row that has just been made.
func (r *reducer) inFile(row int32, f *profile.Function) {
	if int(row) < len(r.files) || f == nil || r.by.Line {
		return
	}
	r.files = append(r.files, make([]string, int(row)+1-len(r.files))...)
	if f.Filename != "" {
		r.files[row] = fileName(r.funcs[f], f.Filename)
	}
}

func (r *reducer) lineName(line profile.Line) string {
	f := line.Function
	if f == nil {
		return "[unknown]"
	}
	name := r.funcs[f]
	if !r.by.Line {
		return name
	}
	if f.StartLine > 0 && line.Line >= f.StartLine { // lines above the function may come and go
		return name + " +" + strconv.FormatInt(line.Line-f.StartLine, 10)
	}
	return name + " " + fileName(name, f.Filename) + ":" + strconv.FormatInt(line.Line, 10)
}

func (r *reducer) row(name string) int32 {
	i, ok := r.index[name]
	if !ok {
		i = int32(len(r.names))
		r.index[name] = i
		r.names = append(r.names, Clean(name))
	}
	return i
}

// blocks is into how many blocks of time a timeline is cut.
const blocks = 10

// spans finds the time that a timeline spans.
func (r *reducer) spans(samples iter.Seq2[*profile.Sample, []int32]) {
	lo, hi := int64(math.MaxInt64), int64(0)
	for s := range samples {
		end := s.NumLabel[sample.KeyEnd]
		if len(end) != 1 || end[0] <= 0 {
			return
		}
		lo, hi = min(lo, end[0]), max(hi, end[0])
	}
	if hi > lo {
		r.from, r.step = float64(lo), float64(hi-lo)/blocks
	}
}

func (r *reducer) add(s *profile.Sample, at []int32) {
	n := 0.0
	if r.count >= 0 {
		n = float64(s.Value[r.count])
	}
	r.out.samples += n
	var stack []int32
	if r.cumulative && r.by.frames() {
		stack = r.stack(at)
		r.addWithin(s, stack)
	}
	for i, c := range r.out.cols {
		v := float64(s.Value[r.value[i]]) * r.worth[i]
		if v == 0 {
			continue
		}
		cpu := onCPU(r.out.Columns[i])
		row := r.of(s, at, !cpu)
		c.grow(len(r.names), cpu && r.count >= 0)
		c.total += v
		c.flat[row] += v
		if c.n != nil {
			c.n[row] += n
			c.count += n
		}
		for _, up := range stack {
			c.cum[up] += v
		}
		r.addBlocks(c, s, row, v, n)
		if r.groups != nil {
			c.addGroup(r.groups.of(s), row, stack, v)
		}
	}
}

// of is the row that a sample belongs to. Who waits, waits in the runtime: the row is then the
// first function above the runtime and sync.
func (r *reducer) of(s *profile.Sample, at []int32, waits bool) int32 {
	if !r.by.frames() {
		return r.row(r.by.labels(s))
	}
	if len(at) == 0 {
		return r.row("[no stack]")
	}
	if waits {
		for _, l := range at {
			if row := r.waits[l]; row >= 0 {
				return row
			}
		}
	}
	return r.leaf[at[0]]
}

// stack is the rows of a sample's stack, each once, until the next call.
func (r *reducer) stack(at []int32) []int32 {
	r.seen++
	if more := len(r.names) - len(r.stamp); more > 0 {
		r.stamp = append(r.stamp, make([]int32, more)...)
	}
	rows, stamp, seen := r.rows[:0], r.stamp, r.seen
	for _, l := range at {
		for _, row := range r.inner.of(l) {
			if stamp[row] != seen {
				stamp[row] = seen
				rows = append(rows, row)
			}
		}
	}
	r.rows = rows
	return rows
}

// byLocation has the rows of locations by their numbers, those of one behind those of the one before. They and the sums are
// all that is touched at each frame of each stack, in an order that no cache foresees.
type byLocation struct {
	first []int32 // of each location, and behind the last one
	rows  []int32
}

// next begins with the next location, or ends the last one.
func (b *byLocation) next() { b.first = append(b.first, int32(len(b.rows))) }

func (b *byLocation) add(row int32) { b.rows = append(b.rows, row) }

func (b *byLocation) of(l int32) []int32 { return b.rows[b.first[l]:b.first[l+1]] }

// addBlocks spreads a sample over the blocks of time that its interval touches. A sample stands
// for the interval that ends at its time stamp; a count falls where it ends.
func (r *reducer) addBlocks(c *sums, s *profile.Sample, row int32, v, n float64) {
	if r.step == 0 {
		return
	}
	if c.blocks == nil {
		c.blocks = make([]block, blocks)
	}
	end := (float64(s.NumLabel[sample.KeyEnd][0]) - r.from) / r.step
	last := min(blocks-1, int(end))
	begin := max(0, end-v/r.step)
	for b := min(last, int(begin)); b <= last; b++ {
		part := 1.0
		if v > 0 && end > begin {
			part = max(0, min(end, float64(b+1))-max(begin, float64(b))) / (end - begin)
		}
		c.blocks[b].add(int(row), v*part)
	}
	c.blocks[last].addCount(int(row), n)
}

// addWithin adds a sample to what was asked for.
func (r *reducer) addWithin(s *profile.Sample, stack []int32) {
	w := r.out.within
	if w == nil || len(stack) == 0 {
		return
	}
	for row := len(r.interest); row < len(r.names); row++ {
		r.interest = append(r.interest, w.number(r.names[row]))
	}
	r.numbers = r.numbers[:0]
	for _, row := range stack {
		r.numbers = append(r.numbers, r.interest[row])
	}
	group := 0
	if r.groups != nil {
		group = r.groups.of(s)
	}
	for i, name := range r.out.Columns {
		if v := float64(s.Value[r.value[i]]) * r.worth[i]; onCPU(name) && v != 0 {
			w.add(group, r.numbers, w.row(r.names[stack[0]]), v)
		}
	}
}
