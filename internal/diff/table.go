package diff

import (
	"math"
)

// A table is one column of both sides: rows by repeats. Time on a CPU is compared by share, since a
// busy program uses all the CPUs it gets whatever it does with them. Shares have a trap: when one
// function gets faster the shares of all others grow. So a row that changed is excluded: the others'
// shares are taken of what remains, and the first row's too. Time not on a CPU is compared by
// second, and all of it by operation or request when their number is known.
//
// By operation, a row is its share times what an operation took, and both have a noise of their own. What an operation
// took is known from as many numbers as there are repeats, however many rows there are: a machine that was slower
// during one side makes all of them slower alike.
type table struct {
	name    string
	unit    string
	names   []string
	side    [2]half
	noise   noise
	level   [2]level // of a table by operation; zero in others
	turns   inTurns  // runs of both sides that followed each other, for the total
	pairs   inTurns  // the same, of a table whose rows are compared within them
	layouts []layout // within which rows are compared, nil: without
	apart   noise    // of each side by itself, where they are

	rounds *trimmed // the mean logarithm of the total's ratio, where runs side by side say it
	known  *trimmed // that of the only row, of a total

	plain    bool   // no times, of which nobody knows how many observations they are: only repeats tell their noise
	flat     *table // of a table of functions with what they called: that of their own time
	beside   *table // of a table against the rest: that by operation
	excluded []bool
	some     bool      // a row is excluded
	n        []float64 // samples by row, both sides

	seconds float64 // of the shorter side
}

// half is one side of a table.
type half struct {
	rep    []repeat
	blocks bool    // the repeats are blocks of time of one profile
	robust bool    // means are trimmed
	builds []int   // by repeat, nil: each is by itself
	weight float64 // ns by sample
}

// repeat is one profile, or one block of it.
type repeat struct {
	x       []float64 // ns by row
	total   float64   // ns
	per     float64   // seconds, ops or requests
	scale   float64   // what x is divided by
	samples float64
}

// The two sides.
const (
	older = 0
	newer = 1
)

// What weights are divided by.
const (
	unitShare   = "share"
	unitSecond  = "second"
	unitOp      = "op"
	unitRequest = "request"
	unitRun     = "run"     // of the command
	unitWork    = "work"    // what the base side did in a second
	unitProfile = "profile" // as it is: what is in use does not grow with the profile's length
	unitEach    = "each"    // a row is the time of one operation of its own
)

// byOperation says whether a unit is a piece of work.
func byOperation(unit string) bool {
	return unit == unitOp || unit == unitRequest || unit == unitRun || unit == unitWork
}

// shares says whether the repeats are scaled to shares of a column.
func (t *table) shares() bool { return t.unit == unitShare || t.level[newer].mean > 0 }

// reset sets the scales: what the rows of each repeat are divided by.
func (t *table) reset() {
	for s := range t.side {
		for i := range t.side[s].rep {
			r := &t.side[s].rep[i]
			r.scale = r.per
			if t.shares() {
				r.scale = r.total
				for row, out := range t.excluded {
					if out {
						r.scale -= r.x[row]
					}
				}
				r.scale = max(r.scale, 1)
				if t.flat != nil {
					r.scale = t.flat.side[s].rep[i].scale
				}
			}
		}
	}
}

// mean is of a row over a side's repeats, and the variance of one of them if they were independent.
func (h *half) mean(row int) (mean, variance float64) {
	k := float64(len(h.rep))
	if h.robust || h.builds != nil {
		x := make([]float64, len(h.rep))
		for i, r := range h.rep {
			x[i] = r.x[row] / r.scale
		}
		m := h.average(x)
		return m.mean, m.variance * k
	}
	for _, r := range h.rep {
		mean += r.x[row] / r.scale
	}
	mean /= k
	for _, r := range h.rep {
		d := r.x[row]/r.scale - mean
		variance += d * d
	}
	if k > 1 {
		variance /= k - 1
	}
	return mean, variance
}

// average is of one value for each repeat.
func (h *half) average(x []float64) (m trimmed) {
	if h.robust {
		return trim(x, h.builds)
	}
	m.mean, _ = moments(x)
	for i := range x {
		x[i] -= m.mean
	}
	k, n := float64(len(x)), float64(independent(len(x), h.builds))
	return trimmed{mean: m.mean, variance: squares(x, h.builds) / (k * k) * n / max(1, n-1), df: n - 1}
}

func (h *half) scale() (mean float64) {
	for _, r := range h.rep {
		mean += r.scale
	}
	return mean / float64(len(h.rep))
}

func (h *half) total() (sum float64) {
	for _, r := range h.rep {
		sum += r.total
	}
	return sum
}

func (h *half) df() float64 {
	n := len(h.rep)
	if h.robust {
		n -= 2 * trimming(n)
	}
	return float64(min(n, independent(len(h.rep), h.builds)) - 1)
}

// floor is the variance of one repeat's mean that counting leaves open.
func (t *table) floor(h *half, row int, mean float64) float64 {
	v := mean * h.weight / h.scale()
	switch {
	case !t.shares():
		return v
	case t.excluded[row] || t.flat != nil && t.flat.some: // its own count, and that of the rest
		return v * (1 + mean)
	}
	return v * max(0.01, 1-mean)
}

// trend is the variance that the model expects of one repeat.
func (t *table) trend(h *half, row int, mean float64) float64 {
	return t.floor(h, row, mean) + t.noise.cv*t.noise.cv*mean*mean
}

// pooled is the mean of both sides, which is what both have if nothing changed.
func (t *table) pooled(row int) float64 {
	sum, k := 0.0, 0.0
	for s := range t.side {
		m, _ := t.side[s].mean(row)
		n := float64(len(t.side[s].rep))
		sum += m * n
		k += n
	}
	return sum / k
}

func (t *table) spread(row int) (s spread) {
	mean := t.pooled(row)
	if t.layouts != nil {
		return t.spreadBetween(row, mean)
	}
	for i := range t.side {
		h := &t.side[i]
		_, v := h.mean(row)
		if trend := t.trend(h, row, mean); trend > 0 && h.df() > 0 {
			s.ratio += h.df() * v / trend
			s.df += h.df()
		}
	}
	if s.df > 0 {
		s.ratio /= s.df
	}
	return s
}

// uncounted is the number of samples of what is no count of any: enough to be tested, and each row as much worth as the next.
const uncounted = 1e9

// difference is new minus base of a row, its standard error and the degrees of freedom of that.
func (t *table) difference(row int) (d, se, df float64) {
	if m, ok := t.paired(row); ok {
		was, _ := t.side[older].mean(row)
		return was * math.Expm1(m.mean), was * math.Exp(m.mean) * math.Sqrt(m.variance), m.df
	}
	unchanged := t.pooled(row)
	was, now := t.value(older, row, unchanged), t.value(newer, row, unchanged)
	both := was.plus(now)
	return now.mean - was.mean, both.se(), both.df()
}

// mean is of a row on one side, in the table's unit.
func (t *table) mean(s, row int) float64 {
	m, _ := t.side[s].mean(row)
	if l := t.level[s].mean; l > 0 {
		return m * l
	}
	if ratio, ok := t.paired(row); ok && s == newer { // what it is at the moments of the base side
		was, _ := t.side[older].mean(row)
		return was * math.Exp(ratio.mean)
	}
	return m
}

// value is what one side says of a row; its noise is that of rows with the given mean.
func (t *table) value(s, row int, mean float64) measured {
	ratio, df := t.noise.moderate(t.spread(row))
	h := &t.side[s]
	m, _ := h.mean(row)
	v := measured{mean: m, ownDF: df}
	v.own = ratio*t.trend(h, row, mean)/float64(len(h.rep))*t.noise.blow + t.noise.fixed*t.noise.fixed*mean*mean
	if l := t.level[s]; l.mean > 0 {
		v.mean, v.own, v.common, v.commonDF = m*l.mean, v.own*l.mean*l.mean, m*m*l.variance, l.df
	}
	return v
}

// ratio is what brings the base side to the new side's scale.
func (t *table) ratio() float64 {
	if !t.shares() || t.unit == unitShare {
		return t.side[newer].scale() / t.side[older].scale()
	}
	per := func(h *half) (sum float64) {
		for _, r := range h.rep {
			sum += r.per / float64(len(h.rep))
		}
		return sum
	}
	return per(&t.side[newer]) / per(&t.side[older])
}

// expected is the standard error of a row's difference by the trend alone, relative to its mean.
func (t *table) expected(row int) float64 {
	mean := t.pooled(row)
	v := 0.0
	for s := range t.side {
		h := &t.side[s]
		v += t.noise.scale*t.trend(h, row, mean)/float64(len(h.rep))*t.noise.blow + t.noise.fixed*t.noise.fixed*mean*mean
	}
	return math.Sqrt(v) / max(mean, 1e-300)
}

// within is half the interval of a row's mean on one side.
func (t *table) within(s, row int, alpha float64) float64 {
	if t.layouts != nil {
		t = t.withoutLayouts()
	}
	m, _ := t.side[s].mean(row)
	v := t.value(s, row, m)
	return quantile(alpha, v.df()) * v.se()
}
