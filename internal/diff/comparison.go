package diff

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// comparison is the work of Compare.
type comparison struct {
	o        Options
	sides    [2][]*Profile
	names    []string
	rows     [2][][]int // by side, profile and row of that profile: the common row
	tables   []*table
	trials   []trial
	work     *labour // nil: not known
	noWork   bool    // leave it out
	byRounds bool    // what an operation takes is decided by rounds
	out      *Result
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

func (c *comparison) note(format string, args ...any) {
	c.out.Notes = append(c.out.Notes, fmt.Sprintf(format, args...))
}

func (c *comparison) all(ok func(*Profile) bool) bool {
	for _, profiles := range c.sides {
		for _, p := range profiles {
			if !ok(p) {
				return false
			}
		}
	}
	return true
}

// tablesOf makes the tables of a column: of rows, of functions with what they called, and of both against the rest.
func (c *comparison) tablesOf(name string) []*table {
	t := c.table(name)
	tables := []*table{t}
	u := c.callersOf(t, name)
	if u != nil {
		tables = append(tables, u)
	}
	if !t.hasRest() {
		return tables
	}
	rest := t.againstRest(nil)
	if tables = append(tables, rest); u != nil {
		tables = append(tables, u.againstRest(rest))
	}
	return tables
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
	if !single {
		t.turns = pairs(c.sides)
		of := [2][]int{builds(c.sides[older]), builds(c.sides[newer])}
		t.side[older].builds, t.side[newer].builds = of[older], of[newer]
		t.layouts = layouts(t.turns.of, of)
	}
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
