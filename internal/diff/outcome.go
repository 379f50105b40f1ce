package diff

import (
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
	floor := max(c.o.MinEffect, c.o.Floors[t.name])
	if c.out.rebuilt && c.o.By.frames() && t.unit != unitEach && r.Name != totalName {
		floor = math.Inf(1)
	}
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

// Undecided says whether a change that matters cannot be ruled out somewhere.
func (r *Result) Undecided() bool {
	return slices.ContainsFunc(r.Columns, func(c Column) bool {
		rows := r.judged(c)
		return len(c.Rows) == 0 || len(rows) == 0 || // too few samples for any row, or nothing that could be judged
			slices.ContainsFunc(rows, func(r Row) bool { return r.Outcome == Undecided })
	})
}

// judged are the rows of a column that decide.
func (r *Result) judged(c Column) (rows []Row) {
	if c.Total.tested {
		rows = append(rows, c.Total)
	}
	if r.rebuilt && c.Unit != unitEach {
		return rows
	}
	return slices.Concat(rows, c.Rows, c.callers)
}
