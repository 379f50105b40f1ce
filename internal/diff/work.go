package diff

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/work"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What both sides say of their work (package work) makes time by operation of it. With one benchmark that is its
// operation, with none a run of the command. Several benchmarks take what -benchtime gives them, however much they get
// done: so each side's time is taken for as many operations as the base side did, benchmark by benchmark, and
// shown by second of the base side.
//
// Samples know the function of their benchmark, and not what b.Run called it: benchmarks of one function are taken
// together. CPU time that belongs to none, as the garbage collector's, is taken for all of them; goroutines that wait and belong
// to none, wait for as long as it takes whatever that is, and are left out.

// benchmarkLabel is the key under which a sample has the function of its benchmark.
const benchmarkLabel = "benchmark"

// groups are the benchmarks' functions by number; 0 is for what belongs to none.
type groups struct {
	names []string
	index map[string]int
}

func newGroups(w *work.Work) *groups {
	g := &groups{names: []string{""}, index: make(map[string]int)}
	for f := range w.Groups() {
		g.index[f] = len(g.names)
		g.names = append(g.names, f)
	}
	return g
}

// of is the group of a sample.
func (g *groups) of(s *profile.Sample) int {
	for _, v := range s.Label[benchmarkLabel] {
		f, _, _ := strings.Cut(v, "/")
		return g.index[f]
	}
	return 0
}

// byGroup are the sums of one group of samples: ns by row.
type byGroup struct {
	total     float64
	flat, cum map[int32]float64
}

// add adds to a group's sums; the group is made when it is needed.
func (c *sums) addGroup(group int, row int32, stack []int32, v float64) {
	for len(c.groups) <= group {
		c.groups = append(c.groups, byGroup{flat: make(map[int32]float64), cum: make(map[int32]float64)})
	}
	g := &c.groups[group]
	g.total += v
	g.flat[row] += v
	for _, up := range stack {
		g.cum[up] += v
	}
}

// awaiting is the time in which the benchmark's goroutine waited for those that it had started to run its operations.
func (g *byGroup) awaiting(rows []string) (ns float64) {
	for _, row := range slices.Sorted(maps.Keys(g.flat)) {
		if ofBenchmark(rows[row]) {
			ns += g.flat[row]
		}
	}
	return ns
}

// ofBenchmark says whether a function is package testing's, which runs benchmarks. How long it waits is how long operations take, on a
// host with whatever load: their time is compared anyway.
func ofBenchmark(name string) bool { return names.Match(name, names.Benchmarking) }

// labour is the work that all profiles know, or nil.
type labour struct {
	unit  string
	names []string           // of benchmarks that all profiles have, sorted
	ops   map[string]float64 // of the base side's mean profile
	per   float64            // what times are divided by: operations, or the base side's seconds
}

// labour finds what work is known on both sides.
func (c *comparison) labour() *labour {
	switch {
	case c.o.Ops > 0 || c.o.Per != "" || c.noWork:
		return nil
	case c.all(func(p *Profile) bool { return p.work.Runs > 0 }):
		return &labour{unit: unitRun, per: 1}
	}
	l := &labour{unit: unitOp, ops: make(map[string]float64)}
	for name := range c.sides[older][0].work.Benchmarks {
		if c.all(func(p *Profile) bool { _, ok := p.work.Benchmarks[name]; return ok }) {
			l.names = append(l.names, name)
		}
	}
	if slices.Sort(l.names); len(l.names) == 0 {
		return nil
	}
	for _, name := range l.names {
		for _, p := range c.sides[older] {
			b := p.work.Benchmarks[name]
			l.ops[name] += b.Ops / float64(len(c.sides[older]))
			l.per += b.Ops * b.Mean() / float64(len(c.sides[older]))
		}
	}
	if l.unit = unitWork; len(l.names) == 1 {
		l.unit, l.per = unitOp, l.ops[l.names[0]]
	}
	return l
}

// leftOut are the benchmarks that one side has and the other has not.
func (c *comparison) leftOut(l *labour) []string {
	some := make(map[string]bool)
	for _, profiles := range c.sides {
		for _, p := range profiles {
			for name := range p.work.Benchmarks {
				some[name] = true
			}
		}
	}
	for _, name := range l.names {
		delete(some, name)
	}
	return slices.Sorted(maps.Keys(some))
}

// factors are by what the time of each group of a profile is multiplied to be that of the base side's operations; NaN
// leaves a group out.
func (l *labour) factors(p *Profile) (by []float64) {
	by = []float64{0}
	var all, needed float64
	for _, names := range p.work.Groups() {
		took, wants := 0.0, 0.0 // seconds, for what was done and for what the base side did
		complete := true
		for _, name := range names {
			b := p.work.Benchmarks[name]
			took += b.Ops * b.Mean()
			wants += l.ops[name] * b.Mean()
			complete = complete && l.ops[name] > 0
		}
		if !complete || took <= 0 {
			by = append(by, math.NaN())
			continue
		}
		by = append(by, wants/took)
		all, needed = all+took, needed+wants
	}
	by[0] = needed / max(all, 1e-9)
	return by
}

// worked are the observations that one profile has of a column, by work.
func (c *comparison) worked(p *Profile, name string, rows []int) repeat {
	col := p.column(name)
	flat := col.flat
	if c.cumulative() {
		flat = col.cum
	}
	r := repeat{samples: col.count, per: c.work.per}
	if c.work.unit == unitRun {
		r.x, r.total, r.per = c.spreadOut(flat, rows), col.total, p.work.Runs
		return r
	}
	r.x = make([]float64, len(c.names))
	for i, factor := range c.work.factors(p) {
		if i >= len(col.groups) || math.IsNaN(factor) || i == 0 && !onCPU(name) {
			continue
		}
		g := &col.groups[i]
		r.total += g.total * factor
		if !onCPU(name) {
			r.total -= g.awaiting(p.rows) * factor
		}
		by := g.flat
		if c.cumulative() {
			by = g.cum
		}
		for _, row := range slices.Sorted(maps.Keys(by)) { // in an order, or rounding would be another one each time
			if onCPU(name) || !ofBenchmark(p.rows[row]) {
				r.x[rows[row]] += by[row] * factor
			}
		}
	}
	return r
}

// bring is by what the time of each profile of a side is multiplied to be in a table's unit, by group of benchmarks where there are some.
func (c *comparison) bring(t *table, s int) (by [][]float64) {
	h := &t.side[s]
	unit := cmp.Or(t.level[s].mean, 1)
	if h.blocks {
		return [][]float64{{unit / (h.scale() * float64(len(h.rep)))}}
	}
	for i, r := range h.rep {
		groups := []float64{1}
		if c.work != nil && c.work.unit != unitRun {
			groups = c.work.factors(c.sides[s][i])
		}
		for g, factor := range groups {
			if groups[g] = factor * unit / max(r.scale, 1e-9); math.IsNaN(factor) {
				groups[g] = 0 // left out
			}
		}
		by = append(by, groups)
	}
	return by
}

// Columns of what is known of the work itself.
const (
	TimeColumn    = "time"     // of an operation, or of a run
	CPUTimeColumn = "CPU time" // of an operation of each of several benchmarks
)

// Rows of the times of runs.
const (
	wallRow    = "wall time"
	cpuRowName = "CPU time"
)

// workTable is what go test, or the clock, says of each operation: a row for each benchmark, or the run's times.
func (c *comparison) workTable() *table {
	l := c.work
	names := l.names
	if l.unit == unitRun {
		names = []string{wallRow, cpuRowName}
	}
	single := len(c.sides[older]) == 1 && len(c.sides[newer]) == 1
	return c.eachTable(TimeColumn, names, func(p *Profile) []repeat { return l.observations(p, single) })
}

// eachTable is a table of which each row is the time of an operation of its own.
func (c *comparison) eachTable(name string, rows []string, observations func(p *Profile) []repeat) *table {
	t := &table{name: name, unit: unitEach, names: rows, seconds: min(c.out.Base.Seconds, c.out.New.Seconds),
		excluded: make([]bool, len(rows)), n: slices.Repeat([]float64{uncounted}, len(rows))}
	for s, profiles := range c.sides {
		h := &t.side[s]
		for _, p := range profiles {
			h.rep = append(h.rep, observations(p)...)
		}
		h.blocks = len(h.rep) > len(profiles)
	}
	t.reset()
	return t
}

// observations are what one profile says of each row. Of the only profile of a side each line of results is one.
func (l *labour) observations(p *Profile, single bool) []repeat {
	if l.unit == unitRun {
		return []repeat{{x: []float64{float64(p.work.Wall) / p.work.Runs, float64(p.work.CPU) / p.work.Runs}, total: 1, per: 1}}
	}
	n := 1
	if single {
		n = math.MaxInt
		for _, name := range l.names {
			n = min(n, len(p.work.Benchmarks[name].Seconds))
		}
	}
	reps := make([]repeat, n)
	for i := range reps {
		reps[i] = repeat{x: make([]float64, len(l.names)), total: 1, per: 1}
		for k, name := range l.names {
			b := p.work.Benchmarks[name]
			if reps[i].x[k] = 1e9 * b.Mean(); n > 1 {
				reps[i].x[k] = 1e9 * b.Seconds[i]
			}
		}
	}
	return reps
}

// workNotes say by what time is divided, and what is left out.
func (c *comparison) workNotes() {
	l := c.work
	if l == nil {
		return
	}
	switch l.unit {
	case unitRun:
		c.note("by run: both sides are commands that ran to their end")
	case unitOp:
		c.note("by operation of %s, as go test counts them", l.names[0])
	default:
		c.note("by work: the time that each side took for what the base side did in a second, over %d benchmarks", len(l.names))
	}
	if out := c.leftOut(l); len(out) > 0 {
		c.note("benchmarks that one side does not have, left out with those of the same function: %s", strings.Join(out, ", "))
	}
}

// shareWarning says what a comparison by share cannot see, "" if it is none.
func (r *Result) shareWarning() string {
	for _, c := range r.Columns {
		if onCPU(c.Name) && c.Unit == unitShare {
			return "compared by share: a slowdown of everything alike is not visible"
		}
	}
	return ""
}

// cpuTime is the CPU time of a side's profiles, 0 if they have none.
func cpuTime(profiles []*Profile) (ns float64) {
	for _, p := range profiles {
		if c := p.column(sample.ColumnCPU); c != nil {
			ns += c.total
		}
	}
	return ns
}

// describeWork is what a side has done, for its title: "41000 operations", "5 runs".
func describeWork(profiles []*Profile) string {
	runs, ops := 0.0, 0.0
	for _, p := range profiles {
		runs += p.work.Runs
		for _, b := range p.work.Benchmarks {
			ops += b.Ops
		}
	}
	switch {
	case ops > 0:
		return fmt.Sprintf("%.0f operations", ops)
	case runs > 0:
		return plural(int(runs), "run")
	}
	return ""
}
