package diff

// Two builds that took turns with each other, and with no others, have the order of their functions in memory in common, as those of bench
// do: the linker shuffles both with the same seed. What that order does to a function it does to both sides alike, mostly: of gin and
// fasthttp the times of a function in thirteen such builds of two versions had correlations of 0.2 to 0.8. So what sides differ by is
// compared within layouts, as blocks of an experiment are (Fisher 1935), with as many degrees of freedom as there are layouts, less one.

// layout is the repeats of one order of functions, by side.
type layout [2][]int

// fewestLayouts is from how many on they are compared one by one: fewer leave no degrees of freedom.
const fewestLayouts = 4

// layouts finds the orders that both sides have, nil if they do not have the same ones.
func layouts(turns [][2]int, builds [2][]int) []layout {
	if builds[older] == nil || builds[newer] == nil || independent(0, builds[older]) != independent(0, builds[newer]) {
		return nil
	}
	all := make([]layout, independent(0, builds[older]))
	other := make(map[int]int) // the build of new by that of base
	for _, p := range turns {
		a, b := builds[older][p[older]], builds[newer][p[newer]]
		if was, ok := other[a]; ok && was != b {
			return nil
		}
		other[a] = b
	}
	base := make(map[int]int) // and the reverse
	for a, b := range other {
		base[b] = a
	}
	if len(other) != len(all) || len(base) != len(all) || len(all) < fewestLayouts {
		return nil
	}
	for i, b := range builds[older] {
		all[b][older] = append(all[b][older], i)
	}
	for i, b := range builds[newer] {
		all[base[b]][newer] = append(all[base[b]][newer], i)
	}
	return all
}

// between is the variance of one repeat of a row, as the differences between both sides of each layout show it.
func (t *table) between(row int) (variance, df float64) {
	d := make([]float64, len(t.layouts))
	for i, l := range t.layouts {
		for s, sign := range [2]float64{-1, 1} {
			for _, k := range l[s] {
				r := &t.side[s].rep[k]
				d[i] += sign * r.x[row] / r.scale / float64(len(l[s]))
			}
		}
	}
	_, v := moments(d)
	n := float64(len(d))
	return v / n / t.both(1, 1), n - 1
}

// both is the variance of a difference of both sides' means, by those of one repeat.
func (t *table) both(base, new float64) float64 {
	return base/float64(len(t.side[older].rep)) + new/float64(len(t.side[newer].rep))
}

// spreadBetween is the spread of a row by layouts.
func (t *table) spreadBetween(row int, mean float64) (s spread) {
	v, df := t.between(row)
	trend := t.both(t.trend(&t.side[older], row, mean), t.trend(&t.side[newer], row, mean)) / t.both(1, 1)
	if trend > 0 {
		s = spread{ratio: v / trend, df: df}
	}
	return s
}

// withoutLayouts is the table with sides that are known by themselves.
func (t *table) withoutLayouts() *table {
	u := *t
	u.layouts, u.noise = nil, t.apart
	return &u
}
