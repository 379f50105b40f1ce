package diff

import (
	"maps"
	"slices"
)

// A Round is one run of each benchmark on both sides, each at the same time on the same CPU (package bench has why).
type Round struct {
	Layout int                // in which both sides were built: rounds of one are not independent
	Base   map[string]float64 // CPU time of an operation by benchmark, ns
	New    map[string]float64 // the same
}

// fewestRounds is from how many rounds on something is said of them.
const fewestRounds = 3

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
