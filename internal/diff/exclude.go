package diff

import "math"

// test finds p-values, and excludes the rows that changed until the rest looks unchanged.
func (c *comparison) test() {
	for range maxExcluded {
		c.round()
		if !c.exclude() {
			return
		}
	}
	c.round()
}

// maxExcluded bounds the work: a program of which so many rows changed is another program.
const maxExcluded = 25

// round tests all rows of all tables, and the totals.
func (c *comparison) round() {
	c.trials = c.trials[:0]
	for i, t := range c.tables {
		c.trials = append(c.trials, c.rowTrials(i, t)...)
		if c.hasTotal(t) {
			c.trials = append(c.trials, trial{table: i, row: -1, t: t.total(), weight: c.totals() / c.like(t, c.hasTotal)})
		}
	}
	c.decide()
}

// decide tests each row in two families, one of regressions and one of improvements, each with its
// own error rate: what a gate asks is how often it cries wolf, and an improvement is no wolf.
func (c *comparison) decide() {
	up, down, w := make([]float64, len(c.trials)), make([]float64, len(c.trials)), make([]float64, len(c.trials))
	each(len(c.trials), func(i int) {
		x := &c.trials[i]
		d, se, df := x.t.difference(max(0, x.row))
		up[i], down[i], w[i] = pValue(-d/se, df), pValue(d/se, df), x.weight
		if x.t.blocks() {
			w[i] /= 2 // what differs between two runs is assumed: one rate for both directions
		}
	})
	regressed, improved := c.adjusted(up, w), c.adjusted(down, w)
	for i := range c.trials {
		x := &c.trials[i]
		x.p, x.adj = up[i], regressed[i]
		if down[i] < up[i] {
			x.p, x.adj = down[i], improved[i]
		}
	}
}

// adjusted are p-values that hold over all trials that are judged, and over all that are only shown.
func (c *comparison) adjusted(p, weights []float64) []float64 {
	all := make([]float64, len(p))
	for _, shown := range []bool{false, true} {
		var at []int
		var some, w []float64
		for i, x := range c.trials {
			if c.shown(x.t) == shown {
				at, some, w = append(at, i), append(some, p[i]), append(w, weights[i])
			}
		}
		for k, v := range adjust(some, w) {
			all[at[k]] = v
		}
	}
	return all
}

// How the error rate is spent: some of it on totals, a tenth on all rows alike, so that a new
// function is found whatever its size, and the rest where it finds most.
const (
	totalWeight  = 0.05
	workWeight   = 0.25 // the same where the work is known: it is in the total that everything is slower alike
	evenWeight   = 0.1
	callerWeight = 0.2 // of a column's, on its functions with what they called
)

// part is the share of the error rate that is for a table's rows. Runs side by side have half of that of what operations take.
func (c *comparison) part(i int) float64 {
	part := (1 - c.totals()) / max(1, c.like(c.tables[i], (*table).isColumn))
	t := c.tables[i]
	if t.beside != nil || t.hasRest() || t.name == DuetColumn || t.name == TimeColumn && len(c.o.Rounds) > 0 {
		part /= 2
	}
	switch {
	case c.tables[i].flat != nil:
		return part * callerWeight
	case i+1 < len(c.tables) && c.tables[i+1].flat != nil:
		return part * (1 - callerWeight)
	}
	return part
}

// totals is the share of the error rate that is for totals.
func (c *comparison) totals() float64 {
	if c.work != nil {
		return workWeight
	}
	return totalWeight
}

// shown says whether a column is only shown: it has an error rate apart from those that are judged.
func (c *comparison) shown(t *table) bool {
	return math.IsInf(c.o.Floors[t.name], 1) || c.byRounds && (t.name == TimeColumn || t.name == CPUTimeColumn)
}

// hasTotal says whether a table has a total that is tested: its rows are parts of a whole, and that is not tested elsewhere.
func (c *comparison) hasTotal(t *table) bool {
	return t.isColumn() && t.unit != unitEach && !t.plain && (t.unit != unitShare || c.timed())
}

// isColumn says whether a table is a column, with an error rate of its own.
func (t *table) isColumn() bool { return t.isTable() && t.name != DuetColumn }

// isTable says whether a table is no other view of one.
func (t *table) isTable() bool { return t.flat == nil && t.beside == nil }

// like is how many of the tables that are as asked for share an error rate with t.
func (c *comparison) like(t *table, is func(*table) bool) (n float64) {
	for _, u := range c.tables {
		if is(u) && c.shown(u) == c.shown(t) {
			n++
		}
	}
	return n
}

func (c *comparison) rowTrials(i int, t *table) (trials []trial) {
	var rows []int
	var value []float64
	for row, n := range t.n {
		if n >= c.o.MinSamples && t.pooled(row) > 0 {
			rows, value = append(rows, row), append(value, n)
		}
	}
	t.learn(rows)
	relative := make([]float64, len(rows))
	each(len(rows), func(i int) { relative[i] = t.expected(rows[i]) })
	weights, part := spend(value, relative, c.o.Alpha), c.part(i)
	for k, row := range rows {
		w := evenWeight/float64(len(rows)) + (1-evenWeight)*weights[k]
		trials = append(trials, trial{table: i, row: row, t: t, weight: w * part})
	}
	return trials
}

// exclude takes the row that changed most out of what the others' shares are of. It says whether
// there was one. Of two rows that changed by as much time in opposite directions the smaller one is
// excluded: it changed by more of itself.
func (c *comparison) exclude() bool {
	done := false
	for i, t := range c.tables {
		if t.unit != unitShare || !t.partition(c.o) {
			continue
		}
		best, most, found := -1, 0.0, 0.0
		for pass := range 2 {
			for _, x := range c.trials {
				if x.table != i || x.row < 0 || t.excluded[x.row] || x.adj > c.o.Alpha {
					continue
				}
				d, _, _ := t.difference(x.row)
				switch rel := math.Abs(d) / t.pooled(x.row); {
				case pass == 0:
					most = max(most, math.Abs(d))
				case math.Abs(d) >= most/2 && rel > found:
					best, found = x.row, rel
				}
			}
		}
		if best >= 0 && t.left(best) > leastReference {
			t.excluded[best], t.some, done = true, true, true
			t.reset()
			if i+1 < len(c.tables) && c.tables[i+1].flat == t {
				c.tables[i+1].reset()
			}
		}
	}
	return done
}

// leastReference is the share of a column that has to remain as what shares are taken of.
const leastReference = 0.2

// left is the share of each side that remains when a row is excluded; the smaller one.
func (t *table) left(row int) float64 {
	least := 1.0
	for s := range t.side {
		for _, r := range t.side[s].rep {
			if r.total > 0 {
				least = min(least, (r.scale-r.x[row])/r.total)
			}
		}
	}
	return least
}

// partition says whether the rows of a column add up to it.
func (t *table) partition(o Options) bool { return t.flat == nil && !(o.Cumulative && o.By.frames()) }
