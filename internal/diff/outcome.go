package diff

import (
	"cmp"
	"math"
	"slices"
)

// describe is the result of one row.
func (c *comparison) describe(t *table, row int, x trial) Row {
	d, se, df := t.difference(row)
	q := quantile(c.o.Alpha, df)
	var m [2]float64
	for s := range t.side {
		m[s] = t.mean(s, row)
	}
	r := Row{Name: t.names[row], tested: x.row != untested, Base: c.estimate(t, older, row), New: c.estimate(t, newer, row)}
	r.Change = Change{Abs: d, Low: d - q*se, High: d + q*se, P: x.p, Adjusted: x.adj}
	if m[older] > 0 {
		r.Change.Relative = d / m[older]
	}
	if t.n != nil {
		r.n = t.n[row]
	}
	r.Outcome = c.outcome(t, r, m)
	c.plain(t, &r)
	return r
}

// outcome: a change is one that chance does not explain, and that is large enough to matter. The
// row is the same when its interval leaves no room for a change that matters to the whole.
func (c *comparison) outcome(t *table, r Row, m [2]float64) Outcome {
	floor := c.least(t, r.Name)
	large := m[older] == 0 && !math.IsInf(floor, 1) || math.Abs(r.Change.Relative) >= floor
	if !r.tested {
		return Undecided
	}
	if r.Change.Adjusted <= c.o.Alpha {
		switch {
		case large && r.Change.Abs > 0:
			return Regressed
		case large:
			return Improved
		}
		return Same
	}
	whole := t.whole()
	if t.unit == unitEach {
		whole = m[older]
	}
	if max(math.Abs(r.Change.Low), math.Abs(r.Change.High)) > Margin*whole {
		return Undecided
	}
	return Same
}

// least is the smallest relative change of a row that counts. The host's noise is no part of what is against the rest of the same runs;
// how far such rows vary by themselves is in their test.
func (c *comparison) least(t *table, row string) float64 {
	floor := c.o.Floors[t.name]
	switch {
	case c.shown(t):
		return math.Inf(1)
	case c.out.rebuilt && c.o.By.frames() && t.unit != unitEach && row != totalName:
		return math.Inf(1)
	case t.beside != nil && !math.IsInf(floor, 1):
		return c.o.MinEffect
	}
	if c.byRounds && onCPU(t.name) {
		return c.o.MinEffect // the host's noise is not in it
	}
	return max(c.o.MinEffect, floor)
}

// whole is the mean of the columns' totals, in the table's unit.
func (t *table) whole() (sum float64) {
	k := 0.0
	for s := range t.side {
		unit := 1.0
		if l := t.level[s].mean; l > 0 {
			unit = l
		}
		for _, r := range t.side[s].rep {
			sum += r.total / r.scale * unit
			k++
		}
	}
	return sum / k
}

func (c *comparison) estimate(t *table, s, row int) Estimate {
	h := &t.side[s]
	e := Estimate{Mean: t.mean(s, row), Margin: t.within(s, row, c.o.Alpha)}
	x, total, seconds := 0.0, 0.0, 0.0
	for _, r := range h.rep {
		x += r.x[row]
		total += r.total
	}
	for _, p := range c.sides[s] {
		seconds += p.Seconds
	}
	if total > 0 {
		e.Share = x / total
	}
	if seconds > 0 {
		e.Second = x / seconds
	}
	return e
}

// plain turns shares of what was not excluded into shares of the base side's total, which on the
// base side are the plain shares that people know.
func (c *comparison) plain(t *table, r *Row) {
	if t.unit != unitShare {
		return
	}
	left, k := 0.0, 0.0
	for _, rep := range t.side[older].rep {
		if rep.total > 0 {
			left += rep.scale / rep.total
			k++
		}
	}
	left /= max(1, k)
	for _, v := range []*float64{&r.Base.Mean, &r.Base.Margin, &r.New.Mean, &r.New.Margin, &r.Change.Abs, &r.Change.Low, &r.Change.High} {
		*v *= left
	}
}

// whole sums the rows' outcomes up.
func (c *comparison) whole() Outcome {
	seen := make(map[Outcome]bool)
	for _, col := range c.out.Columns {
		for _, r := range c.out.judged(col) {
			seen[r.Outcome] = true
		}
	}
	seen[Undecided] = c.out.Undecided()
	for _, o := range []Outcome{Regressed, Undecided, Improved} {
		if seen[o] {
			return o
		}
	}
	return Same
}

// report fills in the result.
func (c *comparison) report() {
	c.out.Tested = len(c.trials)
	for i, t := range c.tables {
		switch {
		case t.beside != nil:
			c.reportRest(i, t)
		case t.flat != nil:
			c.reportCallers(i, t)
		default:
			c.reportColumn(i, t)
		}
	}
	for i := range c.out.Columns {
		col := &c.out.Columns[i]
		slices.SortStableFunc(col.callers, compareRows)
		for _, row := range col.callers { // until they are explained each stands for itself
			col.Callers = append(col.Callers, Caller{Row: row})
		}
	}
	c.out.Outcome = c.whole()
}

// reportColumn adds a column.
func (c *comparison) reportColumn(i int, t *table) {
	col := Column{Name: t.name, Unit: t.unit, shown: c.shown(t), scaling: t.ratio(), Excluded: t.excludedNames()}
	col.Total = c.describe(t.total(), 0, trial{p: 1, adj: 1, row: untested})
	for _, x := range c.trials {
		if x.table == i && x.row < 0 {
			col.Total = c.describe(x.t, 0, x)
		}
	}
	tested := c.rowsOf(i)
	col.Rows = c.describeAll(t, tested)
	slices.SortStableFunc(col.Rows, compareRows)
	for _, n := range t.n {
		if n > 0 {
			col.Small++
		}
	}
	for _, x := range tested {
		if t.n[x.row] > 0 {
			col.Small--
		}
	}
	if t.name == DuetColumn {
		col.Rounds = len(t.pairs.of)
	} else {
		col.factors = [2][][]float64{c.bring(t, older), c.bring(t, newer)}
		col.perWork = c.perWork(t.name)
	}
	c.out.Columns = append(c.out.Columns, col)
}

// rowsOf are the trials of a table's rows.
func (c *comparison) rowsOf(table int) (rows []trial) {
	for _, x := range c.trials {
		if x.table == table && x.row >= 0 {
			rows = append(rows, x)
		}
	}
	return rows
}

func (c *comparison) describeAll(t *table, trials []trial) []Row {
	rows := make([]Row, len(trials))
	each(len(rows), func(k int) { rows[k] = c.describe(t, trials[k].row, trials[k]) })
	return rows
}

// excludedNames are the rows that the others' shares are taken without.
func (t *table) excludedNames() (names []string) {
	for row, out := range t.excluded {
		if out {
			names = append(names, t.names[row])
		}
	}
	return names
}

// reportCallers adds the functions that changed with what they called to the column that was reported last.
func (c *comparison) reportCallers(i int, t *table) {
	col := &c.out.Columns[len(c.out.Columns)-1]
	for _, x := range c.rowsOf(i) {
		if x.adj > c.o.Alpha {
			continue
		}
		if row := c.describe(t, x.row, x); changed(row) {
			col.callers = append(col.callers, row)
		}
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

func rank(o Outcome) int {
	return slices.Index([]Outcome{Regressed, Improved, Undecided, Same}, o)
}
