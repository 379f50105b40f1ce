package diff

import (
	"cmp"
	"math"
	"slices"
)

// What an operation takes on a host that others use wanders at all scales of time, so that longer runs average little of it, and now
// and then a run takes several times as long. Where both sides took turns, runs that followed each other had nearly the same of it.
// So from enoughPairs of them on what an operation took is compared within pairs, by its ratio (Bulej et al. 2020 have pairs at the
// same moment), and from enoughTrimmed on means are trimmed: the lowest and the highest fifth do not count, whatever they are (Yuen
// 1974). Fewer runs leave too few degrees of freedom for either. That they are few is no reason to compare runs of other moments:
// those of the base alone, with which bench begins, had one speed of the host, and all that came after another one.
const (
	enoughPairs   = 5
	enoughTrimmed = 10
)

// inTurns are profiles of both sides that followed each other, each in one pair at most; of none if the sides did not take turns.
type inTurns struct {
	of     [][2]int
	builds []int // by pair, nil: each is by itself
}

func pairs(sides [2][]*Profile) (p inTurns) {
	if p.of = turns(sides); p.of != nil {
		p.builds = buildsOfPairs(p.of, sides)
	}
	return p
}

// turns are the pairs of runs that followed each other.
func turns(sides [2][]*Profile) (all [][2]int) {
	type run struct {
		side, index int
		begun       int64
	}
	var runs []run
	for s, profiles := range sides {
		for i, p := range profiles {
			runs = append(runs, run{s, i, p.begun})
		}
	}
	slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(a.begun, b.begun) })
	if runs[0].begun <= 0 { // not known
		return nil
	}
	for i := 1; i < len(runs); i++ {
		a, b := runs[i-1], runs[i]
		if a.side == b.side {
			continue
		}
		var p [2]int
		p[a.side], p[b.side] = a.index, b.index
		all = append(all, p)
		i++
	}
	if least := min(len(sides[older]), len(sides[newer])); len(all) < enoughPairs || 4*len(all) < 3*least {
		return nil
	}
	return all
}

// paired is the mean logarithm of a row's ratio in pairs of runs, if there are some.
func (t *table) paired(row int) (m trimmed, ok bool) {
	if t.known != nil {
		return *t.known, true
	}
	ratios := make([]float64, len(t.pairs.of))
	for i, p := range t.pairs.of {
		was, now := &t.side[older].rep[p[older]], &t.side[newer].rep[p[newer]]
		if was.x[row] <= 0 || now.x[row] <= 0 {
			return m, false
		}
		ratios[i] = math.Log(now.x[row] / now.scale * was.scale / was.x[row])
	}
	if len(ratios) == 0 {
		return m, false
	}
	m = trim(ratios, t.pairs.builds)
	m.variance = max(m.variance, 2*repeatCV*repeatCV/float64(len(ratios)))
	return m, true
}

// trimmed is a trimmed mean, and the variance of that with its degrees of freedom.
type trimmed struct{ mean, variance, df float64 }

// trim trims x, of which groups are not independent.
func trim(x []float64, groups []int) (m trimmed) {
	sorted := slices.Sorted(slices.Values(x))
	n, cut := len(x), trimming(len(x))
	m.mean, _ = moments(sorted[cut : n-cut])
	winsorized, middle := make([]float64, n), 0.0
	for i, v := range x {
		winsorized[i] = min(max(v, sorted[cut]), sorted[n-1-cut])
		middle += winsorized[i] / float64(n)
	}
	for i := range winsorized {
		winsorized[i] -= middle
	}
	kept := float64(n - 2*cut)
	m.df = min(kept, float64(independent(n, groups))) - 1
	m.variance = squares(winsorized, groups) / (kept * kept) * (m.df + 1) / max(1, m.df)
	return m
}

// trimming is how many values of n do not count at each end.
func trimming(n int) int {
	if n < enoughTrimmed {
		return 0
	}
	return n / 5
}

// Spread is by how much runs of one program in turns with others vary, relative to their mean, as a comparison of as many sees it. runs
// are in the order of time.
func Spread(runs []float64) (cv, df float64) {
	if len(runs) <= enoughPairs {
		mean, variance := moments(runs)
		return math.Sqrt(variance) / mean, float64(len(runs) - 1)
	}
	var ratios []float64
	for i := 1; i < len(runs); i++ {
		ratios = append(ratios, math.Log(runs[i]/runs[i-1]))
	}
	m := trim(ratios, nil)
	return math.Sqrt(m.variance * float64(len(ratios)) / 2), m.df
}

// Interval is the trimmed mean of ratios, on the scale of their logarithms, with its confidence interval of a level. It takes two
// ratios at least, all of them more than 0.
func Interval(ratios []float64, level float64) (middle, low, high float64) {
	logs := make([]float64, len(ratios))
	for i, r := range ratios {
		logs[i] = math.Log(r)
	}
	m := trim(logs, nil)
	half := quantile(1-level, m.df) * math.Sqrt(m.variance)
	return math.Exp(m.mean), math.Exp(m.mean - half), math.Exp(m.mean + half)
}
