package diff

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// How much does a row vary between two recordings of the same program?
//
// The least it can is what counting leaves open: a row with n samples has a relative variance of
// 1/n. Real rows vary more, each in its own way: a garbage collection falls into one recording and
// not into the next, memory is laid out differently in each process. With a handful of repeats a
// row's own variance is known badly (five repeats a side: within a factor of two), and a test of
// hundreds of rows finds those whose variance was underestimated. A rank test has no such trouble
// and no power either: of five against five its smallest p is 0.008, too large for any row among
// hundreds.
//
// The same problem, thousands of counted things and few repeats, is solved in genomics by limma
// (Smyth 2004; Law et al. 2014): the rows together tell how variances scatter around a trend, and
// each row's variance is drawn to the trend by as much as the rows agree with it. The trend here is
// known from how profiles are made: counting, plus a relative variance that all rows share.

// noise is the model of one column.
type noise struct {
	cv    float64 // what repeats vary by beyond counting, relative to the mean: the same for all rows
	scale float64 // the rows' typical variance, by the trend
	df    float64 // how many repeats' worth the trend knows about a row
	fixed float64 // relative standard deviation between processes, which more blocks do not average out
	blow  float64 // variance of a mean of blocks of time, by that of independent ones
}

// Without repeats, what differs between two runs cannot be seen in the data and is assumed. These are
// the relative standard deviations that recordings of unchanged programs had on a busy machine, two
// of them bursty (see the tests in cmd/mayfly): a part that stays, and a part that averages out with
// the square root of the recording's length, here for one second. Blocks of time see most of the
// second part by themselves.
type assumed struct{ run, second float64 }

var (
	cpuRow    = assumed{0.03, 0.45}
	cpuTotal  = assumed{0.25, 0.25}
	waitRow   = assumed{0.10, 2.0}
	waitTotal = assumed{0.40, 2.0}
)

// after is the relative standard deviation after so many seconds.
func (a assumed) after(seconds float64, inBlocks bool) float64 {
	burst := a.second * a.second / max(seconds, 0.1)
	if inBlocks {
		burst /= 4
	}
	return math.Sqrt(a.run*a.run + burst)
}

// repeatCV is how much the whole of a column varies between repeats, at least.
const repeatCV = 0.01

// waitQuantum is how much waiting counts as one independent observation, ns: the goroutine table
// is scanned a thousand times a second, but one wait spans many scans.
const waitQuantum = 10e6

// enoughRows is how many rows it takes to learn something about the others.
const enoughRows = 8

// enoughRepeats is the degrees of freedom from which a row's own variance says something.
const enoughRepeats = 6

// spread is how one row varies within the sides: the sum of squares by the trend, and its degrees
// of freedom.
type spread struct {
	ratio float64 // variance by the trend's, pooled over both sides
	df    float64
}

// fit estimates scale and df from the rows' spreads: the moments of the logarithm of an F
// distribution (Smyth 2004, section 6.2).
func (m *noise) fit(rows []spread) {
	m.scale, m.df = 1, 2
	var logs []float64
	sum, n := 0.0, 0.0
	for _, r := range rows {
		if r.df <= 0 {
			continue
		}
		sum += r.ratio
		n++
		logs = append(logs, math.Log(max(r.ratio, 1e-6))-mathext.Digamma(r.df/2)+math.Log(r.df/2))
	}
	if len(logs) < enoughRows {
		if n > 0 {
			m.scale = max(1, sum/n)
		}
		return
	}
	mean, variance := moments(logs)
	if rows[0].df >= enoughRepeats { // with fewer, what is unlike the others cannot be told from chance
		mean, variance = robust(logs)
	}
	excess := variance - trigamma(rows[0].df/2)
	if excess <= 0 {
		m.df, m.scale = 50, max(1, math.Exp(mean))
		return
	}
	m.df = min(50, 2*trigammaInverse(excess))
	m.scale = max(1, math.Exp(mean+mathext.Digamma(m.df/2)-math.Log(m.df/2)))
}

// moderate draws a row's variance to the trend, unless it is one that the trend does not know: the
// less likely the row's own variance is, the less the trend counts (Phipson et al. 2016). The result
// is never below what counting leaves open.
func (m *noise) moderate(s spread) (ratio, df float64) {
	prior := m.df
	if s.df > 0 && prior > 0 {
		tail := 1 - distuv.F{D1: s.df, D2: max(prior, 1)}.CDF(s.ratio/m.scale)
		prior *= min(1, tail/0.25)
	}
	df = prior + s.df
	return max(1, (prior*m.scale+s.df*s.ratio)/df), df
}

// robust estimates mean and variance of what most of x is: a few rows are not like the others.
func robust(x []float64) (mean, variance float64) {
	slices.Sort(x)
	cut := len(x) / 10
	for i := range cut { // winsorized
		x[i], x[len(x)-1-i] = x[cut], x[len(x)-1-cut]
	}
	mean, variance = moments(x)
	return mean, variance * 1.5 // what winsorizing a tenth at each end takes from a normal sample
}

func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(max(1, len(x)-1))
}

func trigamma(x float64) float64 { return mathext.Zeta(2, x) }

// trigammaInverse solves trigamma(y) = x by Newton's method (Smyth 2004, appendix).
func trigammaInverse(x float64) float64 {
	switch {
	case x > 1e7:
		return 1 / math.Sqrt(x)
	case x < 1e-6:
		return 1 / x
	}
	y := 0.5 + 1/x
	for range 50 {
		tri := trigamma(y)
		step := tri * (1 - tri/x) / (-2 * mathext.Zeta(3, y))
		y += step
		if -step/y < 1e-8 {
			break
		}
	}
	return y
}

// pValue is the probability of a difference of t standard errors, or less.
func pValue(t, df float64) float64 {
	if math.IsNaN(t) {
		return 1
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.CDF(t)
}

// quantile is how many standard errors an interval of level 1-alpha reaches on each side.
func quantile(alpha, df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(1 - alpha/2)
}

// median of x, which it sorts.
func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

type weighted struct{ x, weight float64 }

// weightedMedian is the x with half of the weight on each side of it.
func weightedMedian(all []weighted) float64 {
	slices.SortFunc(all, func(a, b weighted) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.weight, b.weight)) })
	half := 0.0
	for _, w := range all {
		half += w.weight / 2
	}
	for _, w := range all {
		if half -= w.weight; half <= 0 {
			return w.x
		}
	}
	return 0
}

// chiMedian is the median of a chi-squared variable by its degrees of freedom (Wilson and Hilferty).
func chiMedian(df float64) float64 { return math.Pow(1-2/(9*df), 3) }

// adjust returns p-values that hold over all rows together: Benjamini and Hochberg (1995), with
// weights (Genovese, Roeder and Wasserman 2006). weights say how much of the error rate is spent on
// each row and add up to one. They depend on the sizes of the rows only, not on what changed.
func adjust(p, weights []float64) []float64 {
	order := make([]int, len(p))
	ratio := make([]float64, len(p))
	for i := range p {
		order[i] = i
		ratio[i] = p[i] / max(weights[i], 1e-12)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case ratio[a] < ratio[b]:
			return -1
		case ratio[a] > ratio[b]:
			return 1
		}
		return 0
	})
	adjusted, least := make([]float64, len(p)), 1.0
	for k := len(order) - 1; k >= 0; k-- {
		least = min(least, ratio[order[k]]/float64(k+1))
		adjusted[order[k]] = least
	}
	return adjusted
}
