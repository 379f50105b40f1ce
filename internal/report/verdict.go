package report

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Verdict says whether the objective was met.
type Verdict string

const (
	Met       Verdict = "met"
	Broken    Verdict = "broken"
	Undecided Verdict = "undecided"
	Few       Verdict = "few" // a group beside others that has too few requests: it is listed, and not judged
)

const (
	fewest = 30   // requests, below which nothing is said
	error5 = 0.05 // the chance of a wrong verdict at the border
	rarely = 1e-3 // the chance of a wrong alarm at the border: who watches judges window after window
)

// Fewest is how many requests it takes for an objective to be judged at all.
const Fewest = fewest

// The quantiles of the normal distribution that those chances are.
const (
	z5      = 1.645
	zRarely = 3.090
)

// judge holds the lengths of requests (ns, ascending) against an objective. An objective is met, or
// broken, if that many requests over the limit would come in one window of twenty at most were it the
// other way round. The sentence says why it is undecided.
func (o SLO) judge(lengths []int64) (v Verdict, why string) {
	n := len(lengths)
	if n < fewest {
		return Undecided, fmt.Sprintf("%d requests are too few: %s wants at least %d", n, o, o.fewest())
	}
	if o.Quantile == 0 {
		return o.judgeMean(lengths)
	}
	over := o.over(lengths)
	allowed := 1 - o.Quantile
	switch {
	case binomial(n, over, allowed) < error5: // so few, or fewer
		return Met, ""
	case over > 0 && 1-binomial(n, over-1, allowed) < error5: // so many, or more
		return Broken, ""
	}
	return Undecided, fmt.Sprintf("%d of %d requests took longer than %s, which is too close to %s to tell: about %d requests would do",
		over, n, o.Limit, o, o.wanted(over, n))
}

// measure is what is counted of requests.
type measure struct {
	value    int64 // what the objective is about, ns
	over, of int
}

// measure counts requests, whose lengths are in order.
func (o SLO) measure(lengths []int64) measure {
	return measure{value: o.value(lengths), over: o.over(lengths), of: len(lengths)}
}

// judgeAmong is judge for requests to which any of others may belong, too, which nobody knows. The verdict stands if it is the
// same with all of those that keep the limit, and with all that do not.
func (o SLO) judgeAmong(lengths, others []int64) (Verdict, string) {
	v, why := o.judge(lengths)
	keep := len(others) - o.over(others)
	for _, some := range [][]int64{others[:keep], others[keep:]} {
		if len(some) == 0 || v == Undecided {
			continue
		}
		all := o.measure(together(lengths, some))
		if with, _ := o.judge(together(lengths, some)); with != v {
			return Undecided, fmt.Sprintf("%d of %d requests took longer than %s, but up to %d of %d with those whose labels are not known",
				o.over(lengths), len(lengths), o.Limit, all.over, all.of)
		}
	}
	return v, why
}

// together is two lists in order as one.
func together(a, b []int64) []int64 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return all
}

// Exceeds says whether so many requests over the limit are too many for an objective about a quantile, so surely that of a thousand
// windows of a service that just meets it one at most looks like this.
func (o SLO) Exceeds(over, all int) bool {
	allowed := 1 - o.Quantile
	expected := allowed * float64(all)
	excess := (float64(over) - expected) / math.Sqrt(expected*o.Quantile)
	switch {
	case o.Quantile == 0 || all < fewest || excess <= 0:
		return false
	case expected > 100 && excess > 2*zRarely: // far beyond: no need to add up all terms
		return true
	}
	return 1-binomial(all, over-1, allowed) < rarely
}

// ExceedsMean is Exceeds for an objective about the mean.
func (o SLO) ExceedsMean(lengths []int64) bool {
	if o.Quantile != 0 || len(lengths) < fewest {
		return false
	}
	mean, deviation := moments(lengths)
	return mean-zRarely*deviation/math.Sqrt(float64(len(lengths))) > float64(o.Limit)
}

// fewest is how many requests an objective wants if none of them is over the limit.
func (o SLO) fewest() int {
	if o.Quantile == 0 {
		return fewest
	}
	return o.wanted(0, 1)
}

// over is how many requests took the limit or longer.
func (o SLO) over(lengths []int64) int {
	i, _ := slices.BinarySearch(lengths, int64(o.Limit))
	return len(lengths) - i
}

// wanted is about how many requests would decide if the same share of them were over the limit.
func (o SLO) wanted(over, n int) int {
	allowed := 1 - o.Quantile
	none := math.Log(error5) / math.Log1p(-allowed) // enough if none is over
	if over == 0 {
		return max(int(none)+1, fewest)
	}
	apart := max(math.Abs(float64(over)/float64(n)-allowed), allowed/20)
	return max(int(z5*z5*allowed*(1-allowed)/(apart*apart)), n+1, int(none)+1)
}

// judgeMean holds the mean against the limit, with the mean's own uncertainty.
func (o SLO) judgeMean(lengths []int64) (Verdict, string) {
	n := float64(len(lengths))
	mean, deviation := moments(lengths)
	margin := z5 * deviation / math.Sqrt(n)
	limit := float64(o.Limit)
	switch {
	case mean+margin < limit:
		return Met, ""
	case mean-margin > limit:
		return Broken, ""
	}
	wanted := math.Pow(z5*deviation/max(math.Abs(mean-limit), limit/100), 2)
	return Undecided, fmt.Sprintf("the mean of %d requests is %s ± %s, which is too close to %s to tell: about %.0f requests would do",
		len(lengths), short(mean), short(margin), o, max(math.Ceil(wanted), n+1))
}

// moments are the mean and the standard deviation of two lengths or more.
func moments(lengths []int64) (mean, deviation float64) {
	n, squares := float64(len(lengths)), 0.0
	for _, l := range lengths {
		mean += float64(l) / n
	}
	for _, l := range lengths {
		squares += (float64(l) - mean) * (float64(l) - mean)
	}
	return mean, math.Sqrt(squares / (n - 1))
}

// binomial is the chance of at most k successes in n tries.
func binomial(n, k int, p float64) float64 {
	if k >= n {
		return 1
	}
	sum := 0.0
	for i := range k + 1 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		term := math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		if sum += term; term < 1e-18 && float64(i) > float64(n)*p {
			break
		}
	}
	return min(sum, 1)
}

// value is what the objective is about: the quantile or the mean, in ns.
func (o SLO) value(lengths []int64) int64 {
	if o.Quantile > 0 {
		return quantile(lengths, o.Quantile)
	}
	sum := 0.0
	for _, l := range lengths {
		sum += float64(l)
	}
	return int64(sum / float64(max(len(lengths), 1)))
}

// quantile is the smallest length that a share q of all do not exceed.
func quantile(lengths []int64, q float64) int64 {
	if len(lengths) == 0 {
		return 0
	}
	i := int(math.Ceil(q*float64(len(lengths)))) - 1
	return lengths[min(max(i, 0), len(lengths)-1)]
}

// short prints ns the way people say them.
func short(ns float64) string {
	d := time.Duration(ns)
	switch {
	case d < 0:
		return "-" + short(-ns)
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0fms", float64(d)/1e6)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.0fµs", float64(d)/1e3)
}
