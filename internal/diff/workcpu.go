package diff

import (
	"maps"
	"math"
	"slices"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// On a host that others use, too, an operation takes as long as they let it: results of one benchmark were apart by a half
// where its CPU time differed by 6 %. So of several benchmarks the CPU time of an operation is compared as well. With one the
// total of the column is that.

// cpuTable has a row for each benchmark's function: the CPU time that one operation took in goroutines of its own, ns. It is
// nil where that is not known of two at least.
func (c *comparison) cpuTable() *table {
	if c.work.unit != unitWork || !c.all(func(p *Profile) bool { return p.column(sample.ColumnCPU) != nil }) {
		return nil
	}
	took := make(map[*Profile]map[string]float64)
	for _, profiles := range c.sides {
		for _, p := range profiles {
			took[p] = c.work.cpuEach(p)
		}
	}
	rows := slices.Sorted(maps.Keys(took[c.sides[older][0]]))
	rows = slices.DeleteFunc(rows, func(name string) bool { return !c.all(func(p *Profile) bool { return took[p][name] > 0 }) })
	if len(rows) < 2 {
		return nil
	}
	return c.eachTable(CPUTimeColumn, rows, func(p *Profile) []repeat {
		r := repeat{total: 1, per: 1}
		for _, name := range rows {
			r.x = append(r.x, took[p][name])
		}
		return []repeat{r}
	})
}

// cpuEach is the CPU time of an operation of each benchmark's function, on average over as many of its benchmarks' operations as
// the base side did.
func (l *labour) cpuEach(p *Profile) map[string]float64 {
	each := make(map[string]float64)
	col, factors, group := p.column(sample.ColumnCPU), l.factors(p), 0
	for function, names := range p.work.Groups() {
		group++
		ops := 0.0
		for _, name := range names {
			ops += l.ops[name]
		}
		if group < len(col.groups) && ops > 0 && !math.IsNaN(factors[group]) {
			each[function] = col.groups[group].total * factors[group] / ops
		}
	}
	return each
}
