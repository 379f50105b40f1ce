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
		if t.unit == unitEach || t.plain || t.flat != nil || t.beside != nil { // its rows are no parts of a whole, or the whole was tested
			continue
		}
		if total := t.total(); c.timed() || t.unit != unitShare {
			c.trials = append(c.trials, trial{table: i, row: -1, t: total, weight: totalWeight / float64(len(c.tables))})
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
	regressed, improved := adjust(up, w), adjust(down, w)
	for i := range c.trials {
		x := &c.trials[i]
		x.p, x.adj = up[i], regressed[i]
		if down[i] < up[i] {
			x.p, x.adj = down[i], improved[i]
		}
	}
}

// How the error rate is spent: some of it on totals, a tenth on all rows alike, so that a new
// function is found whatever its size, and the rest where it finds most.
const (
	totalWeight  = 0.05
	evenWeight   = 0.1
	callerWeight = 0.2 // of a column's, on its functions with what they called
)

// part is the share of the error rate that is for a table's rows.
func (c *comparison) part(i int) float64 {
	columns := 0
	for _, t := range c.tables {
		if t.flat == nil && t.beside == nil {
			columns++
		}
	}
	part := (1 - totalWeight) / float64(columns)
	if t := c.tables[i]; t.beside != nil || t.hasRest() {
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
