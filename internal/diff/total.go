package diff

import (
	"math"
	"slices"
)

// total is a table of one row, the column's whole, by second, op or request.
func (t *table) total() *table {
	u := &table{name: t.name, unit: unitSecond, seconds: t.seconds, names: []string{totalName}, excluded: []bool{false}, pairs: t.turns,
		known: t.rounds}
	for s := range t.side {
		h := t.side[s]
		u.side[s] = half{weight: h.weight, blocks: h.blocks, robust: !h.blocks, builds: h.builds, rep: slices.Clone(h.rep)}
		for i, r := range h.rep {
			u.side[s].rep[i] = repeat{x: []float64{r.total}, total: r.total, per: r.per, scale: r.per}
		}
	}
	u.noise = noise{cv: repeatCV, scale: 1, df: 4, blow: 1}
	if u.blocks() || !u.repeats() {
		u.noise.fixed = u.assumedCV(cpuTotal, waitTotal)
	}
	if u.blocks() {
		u.noise.blow = u.blow([]int{0})
	}
	return u
}

// level is what one operation took, of a whole column, ns.
type level struct{ mean, variance, df float64 }

// levels finds what an operation took on each side.
func (t *table) levels() {
	t.level = [2]level{}
	if !byOperation(t.unit) {
		return
	}
	u := t.total()
	for s := range u.side {
		v := u.value(s, 0, u.pooled(0))
		t.level[s] = level{v.mean, v.own, v.ownDF}
	}
	if _, ok := u.paired(0); ok {
		d, se, df := u.difference(0)
		was := t.level[older].mean
		t.level = [2]level{{was, se * se / 2, df}, {was + d, se * se / 2, df}} // the variance is that of the difference
	}
	if t.level[older].mean <= 0 || t.level[newer].mean <= 0 {
		t.level = [2]level{}
	}
}

// margin is how far what an operation took may have changed by chance, relative to what it took.
func (t *table) margin(alpha float64) float64 {
	was, now := t.level[older], t.level[newer]
	return quantile(2*alpha, min(was.df, now.df)) * math.Sqrt(was.variance+now.variance) / was.mean
}
