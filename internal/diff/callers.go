package diff

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// A function can get slower without a leaf that shows it: its time is spread over helpers that others call, too. So CPU time
// is compared by function with all that it called as well, in one table more, under the same error rate. Rows of
// which a function is nearly all its own are in the first table already and are not tested twice.
//
// When a function got slower, all of its callers did. The one to name is the lowest of which no single callee explains the
// change. A callee explains it if most of the change is in calls of it, and they cost more from elsewhere, too: if it is as
// fast as before for others, the caller calls it more.

// callersOf makes the cumulative table that belongs to a flat one, nil where there is none.
func (c *comparison) callersOf(t *table, name string) *table {
	if c.o.Cumulative || !c.o.By.frames() || c.o.By.Line || !onCPU(name) || t.blocks() {
		return nil
	}
	u := &table{name: name, unit: t.unit, names: c.names, flat: t, layouts: t.layouts, excluded: make([]bool, len(c.names)),
		n: make([]float64, len(c.names))}
	cum := *c
	cum.o.Cumulative = true
	for s, profiles := range c.sides {
		u.side[s].weight, u.side[s].builds = t.side[s].weight, t.side[s].builds
		for i, p := range profiles {
			cum.count(u, p.column(name), c.rows[s][i])
			u.side[s].rep = append(u.side[s].rep, cum.repeats(p, name, c.rows[s][i], false)...)
		}
	}
	for row := range u.n { // what is its own is tested there
		if u.n[row]-t.n[row] < c.o.MinSamples {
			u.n[row] = 0
		}
	}
	if slices.Max(append(u.n, 0)) == 0 {
		return nil
	}
	u.seconds, u.level = t.seconds, t.level
	u.reset()
	return u
}

// Explain finds out which of the functions that changed with what they called are to be named. load reads the profiles again:
// only now it is known what is to be looked for. Without such functions it reads nothing.
func (r *Result) Explain(load func(within []string, folded map[string]string) (before, after []*Profile, err error)) error {
	for i := range r.Columns {
		col := &r.Columns[i]
		if len(col.callers) == 0 {
			continue
		}
		var names []string
		for _, row := range slices.Concat(col.callers, col.Rows) {
			if changed(row) && !slices.Contains(names, row.Name) {
				names = append(names, row.Name)
			}
		}
		before, after, err := load(names, r.folded)
		if err != nil {
			return err
		}
		col.name([2][]*Profile{before, after}, names)
	}
	return nil
}

// name splits what changed into those to be named and those above them.
func (c *Column) name(sides [2][]*Profile, names []string) {
	x := newExplanation(c, sides, names)
	above := make(map[string][]string)
	var named []Caller
	for _, row := range c.callers {
		if by, ok := x.explained(row); ok {
			above[by] = append(above[by], row.Name)
			continue
		}
		named = append(named, Caller{Row: row, Leaves: x.leaves(row)})
	}
	for i := range named {
		named[i].Above = collect(above, named[i].Name)
	}
	c.Callers = named
}

// collect is all that is above a function, directly or not.
func collect(above map[string][]string, name string) (all []string) {
	todo := []string{name}
	for len(todo) > 0 {
		next := above[todo[0]]
		delete(above, todo[0])
		all, todo = append(all, next...), append(todo[1:], next...)
	}
	return all
}

// explanation is the mean time of both sides by pair of functions. What becomes one number is added up in an order: rounding
// would make it another one each time.
type explanation struct {
	names []string
	index map[string]int
	pairs [2]map[[2]int]float64
	leaf  [2]map[[2]string]float64
}

func newExplanation(c *Column, sides [2][]*Profile, names []string) *explanation {
	x := &explanation{names: names, index: newWithin(names, nil).index}
	for s, profiles := range sides {
		x.pairs[s], x.leaf[s] = make(map[[2]int]float64), make(map[[2]string]float64)
		for i, p := range profiles {
			by := c.factors[s][min(i, len(c.factors[s])-1)]
			for _, k := range slices.SortedFunc(maps.Keys(p.within.pairs), func(a, b pair) int { return cmp.Compare(a.group, b.group) }) {
				x.pairs[s][[2]int{k.of, k.below}] += p.within.pairs[k] * by[min(k.group, len(by)-1)] / float64(len(profiles))
			}
			for _, k := range slices.SortedFunc(maps.Keys(p.within.leaf), func(a, b leaf) int { return cmp.Compare(a.group, b.group) }) {
				x.leaf[s][[2]string{k.of, k.name}] += p.within.leaf[k] * by[min(k.group, len(by)-1)] / float64(len(profiles))
			}
		}
	}
	return x
}

// explained says which callee of a function explains its change.
func (x *explanation) explained(row Row) (callee string, ok bool) {
	f := x.index[row.Name]
	for g, name := range x.names {
		if g == f {
			continue
		}
		k := [2]int{f, g}
		was, now := x.pairs[older][k], x.pairs[newer][k]
		if (now-was)/row.Change.Abs < 0.5 || now-was == 0 {
			continue
		}
		all := x.total(g)
		elsewhere, elsewhereNow := all[older]-was, all[newer]-now
		if was > 0 && elsewhere > 0.2*all[older] && math.Abs(elsewhereNow/elsewhere-1) < 0.5*math.Abs(now/was-1) {
			continue // as fast as it was for others: it is called more
		}
		return name, true
	}
	return "", false
}

// total is the time of a function with all that it called, on both sides.
func (x *explanation) total(g int) (sum [2]float64) {
	for s := range x.pairs {
		for below := -1; below < len(x.names); below++ {
			sum[s] += x.pairs[s][[2]int{g, below}]
		}
	}
	return sum
}

// leaves are the functions below one whose own time changed most in its direction.
func (x *explanation) leaves(row Row) (top []Leaf) {
	seen := make(map[string]bool)
	for s := range x.leaf {
		for k := range x.leaf[s] {
			if k[0] != row.Name || seen[k[1]] {
				continue
			}
			seen[k[1]] = true
			if d := x.leaf[newer][k] - x.leaf[older][k]; d/row.Change.Abs > 0.1 {
				top = append(top, Leaf{k[1], d})
			}
		}
	}
	slices.SortFunc(top, func(a, b Leaf) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Abs), math.Abs(a.Abs)), cmp.Compare(a.Name, b.Name))
	})
	return top[:min(len(top), 3)]
}
