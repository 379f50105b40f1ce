package diff

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// What weights are divided by.
const (
	unitShare   = "share"
	unitSecond  = "second"
	unitOp      = "op"
	unitRequest = "request"
	unitRun     = "run"     // of the command
	unitWork    = "work"    // what the base side did in a second
	unitProfile = "profile" // as it is: what is in use does not grow with the profile's length
	unitEach    = "each"    // a row is the time of one operation of its own
)

// ErrNoProfiles is returned when a side is empty.
var ErrNoProfiles = errors.New("no profiles to compare")

// Compare compares two sides. Profiles of one side are repeats of the same thing; with one profile
// a side the blocks of a timeline stand in for repeats, and without a timeline the counts have to
// do. That the profiles cannot be compared is a Result too, with the Outcome Incomparable.
func Compare(before, after []*Profile, o Options) (*Result, error) {
	if len(before) == 0 || len(after) == 0 {
		return nil, ErrNoProfiles
	}
	o = o.withDefaults()
	c := &comparison{o: o, sides: [2][]*Profile{before, after}}
	c.out = &Result{By: o.By.String(), Alpha: o.Alpha, Base: side(before), New: side(after), effect: o.MinEffect}
	columns := c.columns()
	if c.out.Reasons = c.incomparable(columns); len(c.out.Reasons) > 0 {
		c.out.Outcome = Incomparable
		return c.out, nil
	}
	c.index()
	c.rename()
	c.out.folded = c.foldedNames()
	if c.work = c.labour(); c.work != nil {
		c.tables = append(c.tables, c.workTable())
		if t := c.cpuTable(); t != nil {
			c.tables = append(c.tables, t)
		}
	}
	for _, name := range columns {
		t := c.table(name)
		c.tables = append(c.tables, t)
		if u := c.callersOf(t, name); u != nil {
			c.tables = append(c.tables, u)
		}
	}
	c.notes()
	c.workNotes()
	c.differences()
	c.test()
	c.report()
	return c.out, nil
}

// comparison is the work of Compare.
type comparison struct {
	o      Options
	sides  [2][]*Profile
	names  []string
	rows   [2][][]int // by side, profile and row of that profile: the common row
	tables []*table
	trials []trial
	work   *labour // nil: not known
	noWork bool    // leave it out
	out    *Result
}

// trial is one row of one table that is tested, or a table's total.
type trial struct {
	table  int
	row    int // -1: the total; untested
	t      *table
	p, adj float64
	weight float64 // of the error rate
}

const untested = -2

func side(profiles []*Profile) Side {
	first := profiles[0].facts
	s := Side{Profiles: len(profiles), GoVersion: first.goVersion, BuildID: first.buildID, CPUModel: first.model}
	for _, p := range profiles {
		s.Seconds += p.Seconds
		s.Samples += p.samples
	}
	cpu := cpuTime(profiles)
	s.CPU, s.Work = cpu/1e9, describeWork(profiles)
	if cpu > 0 {
		s.Rate = math.Round(s.Samples / (cpu / 1e9))
	}
	return s
}

func (c *comparison) note(format string, args ...any) {
	c.out.Notes = append(c.out.Notes, fmt.Sprintf(format, args...))
}

// table makes the table of a column.
func (c *comparison) table(name string) *table {
	t := &table{name: name, unit: c.unit(name), names: c.names, excluded: make([]bool, len(c.names)), n: make([]float64, len(c.names))}
	t.plain = slices.Contains(c.sides[older][0].plain, name)
	single := c.work == nil && len(c.sides[older]) == 1 && len(c.sides[newer]) == 1 &&
		c.sides[older][0].column(name).blocks != nil && c.sides[newer][0].column(name).blocks != nil
	for s, profiles := range c.sides {
		h := &t.side[s]
		h.blocks = single
		total, count := 0.0, 0.0
		for i, p := range profiles {
			col := p.column(name)
			total += col.total
			count += col.count
			c.count(t, col, c.rows[s][i])
			h.rep = append(h.rep, c.repeats(p, name, c.rows[s][i], single)...)
		}
		h.weight = waitQuantum
		if t.plain {
			h.weight = 0
		}
		if onCPU(name) && count > 0 {
			h.weight = total / count
		}
		if c.work != nil && total > 0 { // as the times that they are of
			h.weight *= h.total() / total
		}
	}
	t.seconds = min(c.out.Base.Seconds, c.out.New.Seconds)
	t.levels()
	t.reset()
	return t
}

// cumulative says whether rows have the time of what they called, too.
func (c *comparison) cumulative() bool { return c.o.Cumulative && c.o.By.frames() }

// count adds the samples of a column to those of the table.
func (c *comparison) count(t *table, col *sums, rows []int) {
	for i := range col.flat {
		n := col.flat[i] / waitQuantum
		if col.n != nil {
			n = col.n[i]
		}
		if t.plain && col.flat[i] > 0 {
			n = uncounted
		}
		if c.cumulative() && !t.plain {
			n = col.cum[i] / waitQuantum
			if col.n != nil && col.total > 0 {
				n = col.cum[i] * col.count / col.total
			}
		}
		t.n[rows[i]] += n
	}
}

// repeats are the observations that one profile has of a column.
func (c *comparison) repeats(p *Profile, name string, rows []int, single bool) []repeat {
	col := p.column(name)
	if c.work != nil {
		return []repeat{c.worked(p, name, rows)}
	}
	if !single {
		flat := col.flat
		if c.cumulative() {
			flat = col.cum
		}
		return []repeat{{x: c.spreadOut(flat, rows), total: col.total, samples: col.count, per: c.exposure(p, c.unit(name), 1)}}
	}
	var reps []repeat
	for _, b := range col.blocks {
		reps = append(reps, repeat{x: c.spreadOut(b.flat, rows), total: b.total, samples: b.count, per: c.exposure(p, c.unit(name), 1.0/blocks)})
	}
	return reps
}

// spreadOut renumbers rows.
func (c *comparison) spreadOut(flat []float64, rows []int) []float64 {
	x := make([]float64, len(c.names))
	for i, v := range flat {
		x[rows[i]] += v
	}
	return x
}

// exposure is by what a part of a profile's weights are divided when it is not its total.
func (c *comparison) exposure(p *Profile, unit string, part float64) float64 {
	switch {
	case unit == unitProfile:
		return 1
	case c.o.Ops > 0:
		return c.o.Ops * part
	case c.o.Per != "":
		return max(1, p.requests) * part
	case p.Seconds > 0:
		return p.Seconds * part
	}
	return 1
}

func (c *comparison) unit(column string) string {
	switch {
	case slices.Contains(c.sides[older][0].plain, column) && (strings.HasPrefix(column, "inuse_") || column == "goroutine"):
		return unitProfile
	case slices.Contains(c.sides[older][0].plain, column):
		return unitShare
	case c.work != nil:
		return c.work.unit
	case c.o.Ops > 0:
		return unitOp
	case c.o.Per != "":
		return unitRequest
	case onCPU(column) || !c.timed():
		return unitShare
	}
	return unitSecond
}

// timed says whether all profiles say how long they took.
func (c *comparison) timed() bool {
	for _, profiles := range c.sides {
		if slices.ContainsFunc(profiles, func(p *Profile) bool { return p.Seconds <= 0 }) {
			return false
		}
	}
	return true
}

// notes says what weakens the answer.
func (c *comparison) notes() {
	t := c.tables[len(c.tables)-1]
	switch {
	case t.blocks():
		c.out.Base.Blocks, c.out.New.Blocks = len(t.side[older].rep), len(t.side[newer].rep)
		c.note("one profile a side: %d blocks of its time stand in for repeats, and what differs between two runs is assumed", blocks)
	case !t.repeats():
		c.note("one profile a side and no timeline: noise is estimated from counts and from the bulk of the rows, which is weaker than repeats")
	}
	if t.plain {
		c.note("no times in these profiles: %s are compared with the noise that repeats show and nothing of counting",
			strings.Join(c.sides[older][0].plain, ", "))
	}
	if !c.timed() {
		c.note("a profile does not say how long it took: no totals by second")
	}
	if c.out.Base.BuildID != "" && c.out.Base.BuildID == c.out.New.BuildID {
		c.note("both sides are the same build (%s)", c.out.Base.BuildID)
	}
}

// report fills in the result.
func (c *comparison) report() {
	c.out.Tested = len(c.trials)
	for i, t := range c.tables {
		if t.flat != nil {
			c.reportCallers(i, t)
			continue
		}
		col := Column{Name: t.name, Unit: t.unit, scaling: t.ratio()}
		for row, out := range t.excluded {
			if out {
				col.Excluded = append(col.Excluded, t.names[row])
			}
		}
		var tested []trial
		has := make([]bool, len(t.names))
		col.Total = c.describe(t.total(), 0, trial{p: 1, adj: 1, row: untested})
		for _, x := range c.trials {
			if x.table == i && x.row < 0 {
				col.Total = c.describe(x.t, 0, x)
			} else if x.table == i {
				tested, has[x.row] = append(tested, x), true
			}
		}
		for row, n := range t.n {
			if n > 0 && !has[row] {
				col.Small++
			}
		}
		col.Rows = make([]Row, len(tested))
		each(len(tested), func(k int) { col.Rows[k] = c.describe(t, tested[k].row, tested[k]) })
		slices.SortStableFunc(col.Rows, compareRows)
		col.factors = [2][][]float64{c.bring(t, older), c.bring(t, newer)}
		c.out.Columns = append(c.out.Columns, col)
	}
	c.out.Outcome = c.whole()
}

// reportCallers adds the functions that changed with what they called to the column that was reported last.
func (c *comparison) reportCallers(i int, t *table) {
	col := &c.out.Columns[len(c.out.Columns)-1]
	for _, x := range c.trials {
		if x.table != i || x.row < 0 || x.adj > c.o.Alpha {
			continue
		}
		if row := c.describe(t, x.row, x); changed(row) {
			col.callers = append(col.callers, row)
		}
	}
	slices.SortStableFunc(col.callers, compareRows)
	for _, row := range col.callers { // until they are explained each stands for itself
		col.Callers = append(col.Callers, Caller{Row: row})
	}
}

// compareRows orders what was found first, then the largest change.
func compareRows(a, b Row) int {
	return cmp.Or(
		cmp.Compare(rank(a.Outcome), rank(b.Outcome)),
		-cmp.Compare(math.Abs(a.Change.Abs)*a.certainty(), math.Abs(b.Change.Abs)*b.certainty()),
		-cmp.Compare(a.Base.Mean+a.New.Mean, b.Base.Mean+b.New.Mean),
		cmp.Compare(a.Name, b.Name))
}

func (r Row) certainty() float64 {
	if r.Outcome == Regressed || r.Outcome == Improved {
		return 1
	}
	return 0 // by size
}

func rank(o Outcome) int {
	return slices.Index([]Outcome{Regressed, Improved, Undecided, Same}, o)
}
