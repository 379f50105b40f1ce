package diff

import (
	"maps"
	"math"
	"slices"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A Round is one run of each benchmark on both sides, each at the same time on the same CPU (package bench has why).
type Round struct {
	Layout int                // in which both sides were built: rounds of one are not independent
	Base   map[string]float64 // CPU time of an operation by benchmark, ns
	New    map[string]float64 // the same
}

// fewestRounds is from how many rounds on something is said of them.
const fewestRounds = 3

// EnoughRounds is from how many rounds on they say more of what an operation takes than runs in turns do.
const EnoughRounds = 10

// duetTable has a row for each benchmark: the CPU time of an operation in rounds. It is nil where there are few of them.
func (c *comparison) duetTable() *table {
	rounds := c.o.Rounds
	if len(rounds) < fewestRounds {
		return nil
	}
	rows := slices.Sorted(maps.Keys(rounds[0].Base))
	rows = slices.DeleteFunc(rows, func(name string) bool {
		return slices.ContainsFunc(rounds, func(r Round) bool { return r.Base[name] <= 0 || r.New[name] <= 0 })
	})
	if len(rows) == 0 {
		return nil
	}
	t := c.newEach(DuetColumn, rows)
	layouts := make([]int, len(rounds))
	for i, r := range rounds {
		layouts[i] = r.Layout
		t.pairs.of = append(t.pairs.of, [2]int{i, i})
		for s, took := range [2]map[string]float64{r.Base, r.New} {
			rep := repeat{total: 1, per: 1}
			for _, name := range rows {
				rep.x = append(rep.x, took[name])
			}
			t.side[s].rep = append(t.side[s].rep, rep)
		}
	}
	t.pairs.builds = grouped(layouts)
	for s := range t.side {
		t.side[s].robust, t.side[s].builds = true, t.pairs.builds
	}
	t.reset()
	return t
}

// Of a benchmark that keeps one CPU busy, and does not wait, all that it takes is CPU time on one CPU. Then rounds say what runs in turns
// say, and know it ten times as well: they decide, and time and CPU time of runs in turns are only shown. Each row by operation is its
// share of the recordings times what rounds say that an operation takes.
//
// Of others that is not all: several CPUs at once may get into each other's way, and who waits takes time without a CPU.

// roundsDecide says whether rounds do. The tables are those of all columns.
func (c *comparison) roundsDecide() bool {
	duets, took := c.named(DuetColumn), c.named(TimeColumn)
	if duets == nil || c.work == nil || len(duets.pairs.of) < EnoughRounds || !slices.Equal(duets.names, took.names) {
		return false
	}
	work := 1e9 // ns in the unit of columns
	if c.work.unit == unitOp {
		work, _ = took.side[older].mean(0)
	}
	all, blocked := c.named(sample.ColumnWall), c.named(sample.ColumnBlocked)
	if all == nil {
		all = c.named(sample.ColumnCPU)
	}
	return all != nil && all.level[older].mean <= mostOfOne*work && (blocked == nil || blocked.level[older].mean <= leastWait*work)
}

// mostOfOne is how many goroutines at once are taken for one, with the garbage collector's, and leastWait the part of the time in which one
// may wait.
const (
	mostOfOne = 1.2
	leastWait = 0.1
)

// named is the table of a column, nil if there is none.
func (c *comparison) named(column string) *table {
	i := slices.IndexFunc(c.tables, func(t *table) bool { return t.name == column && t.isTable() })
	if i < 0 {
		return nil
	}
	return c.tables[i]
}

// decideByRounds makes what operations take of CPU time what rounds say.
func (c *comparison) decideByRounds() {
	duets, took := c.named(DuetColumn), c.named(TimeColumn)
	var all trimmed // of what takes the time that operations of all benchmarks take
	var sum, ratio float64
	for row, name := range c.work.names {
		m, ok := duets.paired(row)
		if !ok {
			return
		}
		each, _ := took.side[older].mean(row)
		part, r := each*c.work.ops[name], math.Exp(m.mean)
		sum, ratio = sum+part, ratio+part*r
		all.variance += part * part * r * r * m.variance
		if all.df == 0 || m.df < all.df {
			all.df = m.df
		}
	}
	all.mean, all.variance = math.Log(ratio/sum), all.variance/(ratio*ratio)
	c.byRounds = true
	for _, t := range c.tables {
		if !onCPU(t.name) || t.beside != nil {
			continue
		}
		if t.flat != nil {
			t.level = t.flat.level
			continue
		}
		t.rounds = &all
		t.levels()
	}
}
