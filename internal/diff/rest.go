package diff

import (
	"slices"
)

// On a host that others use, runs of one program differ by a tenth and more, with all of their functions alike: a lower frequency, a
// cache that is shared, time that was stolen. That is in the time of an operation, and not in the shares that functions have of it.
// So by operation functions are compared twice, under one error rate: by their time, and by their share, against the rest of
// the same runs, as counts of genes are against the bulk of their sample (Anders and Huber 2010). What makes everything slower alike
// is for the total to find.
//
// A share grows, too, where all else got faster. What is found by share alone does not count where the time of an operation proves
// that.

// againstRest is a table by operation as one by share. flat is the one of functions' own time, of one with what they called.
func (t *table) againstRest(flat *table) *table {
	u := *t
	u.unit, u.level, u.flat, u.beside = unitShare, [2]level{}, flat, t
	u.excluded = make([]bool, len(t.names))
	for s := range u.side {
		u.side[s].rep = slices.Clone(t.side[s].rep)
	}
	u.reset()
	return &u
}

// hasRest says whether a table's rows are compared against the rest as well.
func (t *table) hasRest() bool { return t.level[newer].mean > 0 && onCPU(t.name) }

// reportRest adds what a table against the rest says to the column that was reported last.
func (c *comparison) reportRest(i int, t *table) {
	col := &c.out.Columns[len(c.out.Columns)-1]
	if t.flat != nil {
		c.callersAgainstRest(i, t, col)
		return
	}
	col.Excluded = t.excludedNames()
	at := make(map[string]int, len(col.Rows))
	for k, row := range col.Rows {
		at[row.Name] = k
	}
	for _, rest := range c.describeAll(t, c.rowsOf(i)) {
		if k, ok := at[rest.Name]; ok {
			col.Rows[k].add(rest, t.beside.margin(c.o.Alpha))
		}
	}
	slices.SortStableFunc(col.Rows, compareRows)
}

// callersAgainstRest adds functions that changed with what they called against the rest only.
func (c *comparison) callersAgainstRest(i int, t *table, col *Column) {
	for _, x := range c.rowsOf(i) {
		if x.adj > c.o.Alpha || slices.ContainsFunc(col.callers, func(r Row) bool { return r.Name == t.names[x.row] }) {
			continue
		}
		k := slices.IndexFunc(c.trials, func(y trial) bool { return y.t == t.beside && y.row == x.row })
		if k < 0 {
			continue
		}
		row := c.describe(t.beside, x.row, c.trials[k])
		if row.add(c.describe(t, x.row, x), t.beside.margin(c.o.Alpha)); changed(row) {
			col.callers = append(col.callers, row)
		}
	}
}

// add adds what was found against the rest. margin is that of the time of an operation.
func (r *Row) add(rest Row, margin float64) {
	r.Rest = &rest.Change
	if !changed(*r) && changed(rest) && !r.moved(margin) {
		r.Outcome, r.byRest = rest.Outcome, true
	}
}

// moved says whether it was the rest that changed, and not the row: its time did by less than half of what its share did, and that of an
// operation went the other way by more than chance.
func (r *Row) moved(margin float64) bool {
	own, share := r.Change.Relative, r.Rest.Relative
	if share < 0 {
		own, share = -own, -share
	}
	return own < share/2 && (share-own)/(1+r.Rest.Relative) > margin
}

// found is the change that decides a row, and against what it is where that is not the base side's row.
func (r Row) found() (c Change, against string) {
	if r.byRest {
		return *r.Rest, " against the rest of the run"
	}
	return r.Change, ""
}
