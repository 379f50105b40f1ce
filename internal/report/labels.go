package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// skewed ranks the labels by how much more often slow requests have them. Labels that tell requests
// apart, or that all have, say nothing.
func (b reporter) skewed(slow, fast []*timeline.Request, o Options) []Skew {
	counts := map[[2]string]*[2]int{}
	values := map[string]map[string]bool{}
	for i, set := range [][]*timeline.Request{slow, fast} {
		for _, r := range set {
			for k, v := range b.Labels[r.Labels] {
				if counts[[2]string{k, v}] == nil {
					counts[[2]string{k, v}] = &[2]int{}
				}
				counts[[2]string{k, v}][i]++
				if values[k] == nil {
					values[k] = map[string]bool{}
				}
				values[k][v] = true
			}
		}
	}
	all := []Skew{}
	for kv, n := range counts {
		if kv[0] == o.By || o.Request.By == timeline.Label && kv[0] == o.Request.Name || len(values[kv[0]]) > (len(slow)+len(fast))/3 {
			continue
		}
		s := Skew{Key: kv[0], Value: kv[1], Slow: share(n[0], len(slow)), Fast: share(n[1], len(fast))}
		s.P = chance(n[0], len(slow), n[1], len(fast))
		if s.Slow > s.Fast && s.P < error5/float64(len(counts)) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Skew) int {
		return cmp.Or(cmp.Compare(a.P, b.P), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
	})
	return all[:min(len(all), 10)]
}

func share(n, of int) float64 { return float64(n) / float64(max(of, 1)) }

// chance is Fisher's exact test, one side: that a of n slow requests or more have a label that a+b of
// all have.
func chance(a, n, b, m int) float64 {
	if n == 0 || m == 0 {
		return 1
	}
	sum := 0.0
	for x := a; x <= min(n, a+b); x++ {
		sum += math.Exp(choose(n, x) + choose(m, a+b-x) - choose(n+m, a+b))
	}
	return min(sum, 1)
}

// choose is the logarithm of n over k.
func choose(n, k int) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}
