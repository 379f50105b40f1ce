package diff

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/work"
)

// What both sides say of their work (package work) makes time by operation of it. With one benchmark that is its
// operation, with none a run of the command. Several benchmarks take what -benchtime gives them, however much they get
// done: so each side's time is taken for as many operations as the base side did, benchmark by benchmark, and
// shown by second of the base side.
//
// Samples know the function of their benchmark, and not what b.Run called it: benchmarks of one function are taken
// together. CPU time that belongs to none, as the garbage collector's, is taken for all of them; goroutines that wait and belong
// to none, wait for as long as it takes whatever that is, and are left out.

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
	l.some = make(map[string]bool)
	for _, name := range c.leftOut(l) {
		l.some[work.Function(name)] = true
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
	t := c.newEach(name, rows)
	for s, profiles := range c.sides {
		h := &t.side[s]
		for _, p := range profiles {
			h.rep = append(h.rep, observations(p)...)
		}
		h.blocks = len(h.rep) > len(profiles)
		h.robust = !h.blocks
		h.builds = builds(profiles)
		if h.blocks {
			h.builds = nil
		}
	}
	if !t.blocks() {
		t.pairs = pairs(c.sides)
	}
	t.reset()
	return t
}

// newEach is such a table without observations.
func (c *comparison) newEach(name string, rows []string) *table {
	return &table{name: name, unit: unitEach, names: cleaned(rows), seconds: min(c.out.Base.Seconds, c.out.New.Seconds),
		excluded: make([]bool, len(rows)), n: slices.Repeat([]float64{uncounted}, len(rows))}
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
		c.note("by operation of %s, as go test counts them", Clean(l.names[0]))
	default:
		c.note("by work: the time that each side took for what the base side did in a second, over %d benchmarks", len(l.names))
	}
	if out := c.leftOut(l); len(out) > 0 {
		c.note("benchmarks that one side does not have, left out with those of the same function: %s", strings.Join(cleaned(out), ", "))
	}
}

// cleaned are names of benchmarks as they may be printed: they are from the profiles.
func cleaned(names []string) []string {
	printed := make([]string, len(names))
	for i, name := range names {
		printed[i] = Clean(name)
	}
	return printed
}
