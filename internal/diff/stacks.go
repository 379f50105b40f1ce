package diff

import (
	"math"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/work"
)

// drawn are the columns that have stacks: what go test, or the clock, says of an operation has none.
func (r *Result) drawn() []Column {
	return slices.DeleteFunc(slices.Clone(r.Columns), func(c Column) bool { return c.Unit == unitEach })
}

// perWork is by what the samples of each profile are multiplied to be those of the base side's operations, by side, profile and group
// of benchmarks; nil where work does not come in groups.
func (c *comparison) perWork(column string) (by [2][][]float64) {
	if c.work == nil || c.work.unit == unitRun {
		return by
	}
	for s, profiles := range c.sides {
		for _, p := range profiles {
			factors := c.work.factors(p)
			for i, f := range factors {
				if math.IsNaN(f) || i == 0 && !onCPU(column) {
					factors[i] = 0 // left out, as in the table
				}
			}
			by[s] = append(by[s], factors)
		}
	}
	return by
}

// weigher knows what samples of one profile weigh in a column.
type weigher struct {
	column
	groups  *groups
	perWork []float64 // by group; nil: all weigh what they are
}

// weigher is that for the profile of a side with the number i; it is false for a profile without the column.
func (c *Column) weigher(p *profile.Profile, side, i int) (*weigher, bool) {
	all := columnsOf(p, []string{c.Name})
	at := slices.IndexFunc(all, func(o column) bool { return o.name == c.Name })
	if at < 0 {
		return nil, false
	}
	w := &weigher{column: all[at]}
	if i < len(c.perWork[side]) {
		known := work.Read(p.Comments)
		w.groups, w.perWork = newGroups(&known), c.perWork[side][i]
	}
	return w, true
}

// of is what a sample weighs, times in ns.
func (w *weigher) of(s *profile.Sample) float64 {
	v := float64(s.Value[w.value]) * w.worth
	if w.perWork == nil {
		return v
	}
	if g := w.groups.of(s); g < len(w.perWork) {
		return v * w.perWork[g]
	}
	return 0
}
