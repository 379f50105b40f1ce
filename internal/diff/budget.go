package diff

import (
	"fmt"
	"math"
	"slices"
)

// Check compares both sides with the limits. A limit is exceeded when noise does not explain it: the
// whole interval lies above.
func (b *Budget) Check(load func(By) (before, after []*Profile, err error), o Options) ([]Limit, error) {
	type loaded struct{ before, after []*Profile }
	cache := make(map[By]loaded)
	limits := make([]Limit, len(b.Limits))
	for i, l := range b.Limits {
		by := l.By()
		sides, ok := cache[by]
		if !ok {
			var err error
			if sides.before, sides.after, err = load(by); err != nil {
				return nil, err
			}
			cache[by] = sides
		}
		if err := l.fits(sides.before); err != nil {
			return nil, err
		}
		o.By, o.Cumulative = by, false
		limits[i] = l
		limits[i].judge(sides.before, sides.after, o.withDefaults())
	}
	return limits, nil
}

// fits says what is wrong with a limit for what profiles have.
func (l *Limit) fits(profiles []*Profile) error {
	if l.set["max"] && slices.ContainsFunc(profiles, func(p *Profile) bool { return slices.Contains(p.plain, l.column()) }) {
		return fmt.Errorf("budget: %s: %s is no time: max_share and max_increase limit it", l, l.column())
	}
	return nil
}

// judge makes one row of all that the limit is about, and holds it against the limit.
func (l *Limit) judge(before, after []*Profile, o Options) {
	c := &comparison{o: o, sides: [2][]*Profile{before, after}, noWork: !l.set["max_increase"],
		out: &Result{Base: side(before), New: side(after)}}
	has := func(p *Profile) bool { return p.column(l.column()) != nil }
	if l.Result = LimitUnmatched; !c.all(has) {
		return
	}
	c.index()
	c.work = c.labour()
	t := c.table(l.column())
	row := t.merge(l)
	if row < 0 {
		return
	}
	if l.set["max_share"] {
		t.unit = unitShare
	} else if t.unit == unitShare {
		t.unit = unitSecond
	}
	t.levels()
	t.reset()
	if l.Total != "" {
		t = t.total()
	} else {
		t.learn([]int{row})
	}
	l.compare(t, row, o)
}

// merge adds the limit's rows up in a table of two: them, and the rest.
func (t *table) merge(l *Limit) int {
	if l.Total != "" {
		return 0
	}
	var rows []int
	for i, name := range t.names {
		if t.n[i] > 0 && l.matches(name) {
			rows = append(rows, i)
		}
	}
	if len(rows) == 0 {
		return -1
	}
	n := 0.0
	for _, row := range rows {
		n += t.n[row]
	}
	for s := range t.side {
		for k := range t.side[s].rep {
			sum := 0.0
			for _, row := range rows {
				sum += t.side[s].rep[k].x[row]
			}
			t.side[s].rep[k].x = []float64{sum}
		}
	}
	t.names, t.n, t.excluded = []string{l.subject()}, []float64{n}, []bool{false}
	return 0
}

func (l *Limit) compare(t *table, row int, o Options) {
	var limit, half float64
	switch {
	case l.set["max_increase"]:
		m := t.mean(older, row)
		d, se, df := t.difference(row)
		limit = float64(l.MaxIncrease)
		switch {
		case m > 0:
			l.Value, half = d/m, quantile(o.Alpha, df)*se/m
		case t.mean(newer, row) > 0:
			l.Value = math.Inf(1)
		}
	default:
		l.Value = t.mean(newer, row)
		half, limit = t.within(newer, row, o.Alpha), float64(l.Max)
		if l.set["max_share"] {
			limit = float64(l.MaxShare)
		}
	}
	l.Low, l.High = l.Value-half, l.Value+half
	switch {
	case l.Low > limit:
		l.Result = LimitExceeded
	case l.Value > limit:
		l.Result = LimitUndecided
	default:
		l.Result = LimitKept
	}
	if math.IsInf(l.Value, 1) { // new: JSON has no infinity
		l.Value, l.Low, l.High = math.MaxFloat64, math.MaxFloat64, math.MaxFloat64
	}
}
