package diff

import (
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
	each := make(map[*Profile]map[string]float64)
	var names []string
	for s, profiles := range c.sides {
		for i, p := range profiles {
			each[p] = c.work.cpuEach(p)
			if s == older && i == 0 {
				for name := range each[p] {
					names = append(names, name)
				}
			}
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !c.all(func(p *Profile) bool { return each[p][name] > 0 }) })
	if len(names) < 2 {
		return nil
	}
	slices.Sort(names)
	t := &table{name: cpuColumn, unit: unitEach, names: names, seconds: min(c.out.Base.Seconds, c.out.New.Seconds)}
	t.peeled, t.n = make([]bool, len(names)), make([]float64, len(names))
	for i := range t.n {
		t.n[i] = uncounted
	}
	for s, profiles := range c.sides {
		for _, p := range profiles {
			r := repeat{total: 1, per: 1}
			for _, name := range names {
				r.x = append(r.x, each[p][name])
			}
			t.side[s].rep = append(t.side[s].rep, r)
		}
	}
	t.reset()
	return t
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
