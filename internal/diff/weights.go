package diff

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// A profile has hundreds of rows, and whoever tests them all alike has to see each of them through the
// noise of hundreds. But in most of them nothing could be seen anyway. Which ones is known
// beforehand, from their size and the noise of such rows, whatever changed: that is independent of
// the test itself where nothing changed, so the error rate may be spent by it (Bourgon, Gentleman
// and Huber 2010; Genovese, Roeder and Wasserman 2006).
//
// The weights here are those that would find the most CPU time in slower functions if each function
// had become slower by typicalChange (Roeder and Wasserman 2009, with the rows' time as their value).
// They peak at the rows in which that change is just visible: smaller ones are beyond it. Larger ones
// need less for that change, but get no less, since a smaller change of them matters as much.

// typicalChange is the relative change that the tests are tuned to. Others are found too.
const typicalChange = 0.1

// visible is the change, in standard errors, that the best row must be able to show. Where there is
// too little data to see typicalChange anywhere, weights are made for a larger one.
const visible = 3

// spend returns weights that add up to one. value is what finding a row is worth, relative is a row's
// standard error relative to its mean.
func spend(value, relative []float64, alpha float64) []float64 {
	best := math.Inf(1)
	for _, v := range relative {
		best = min(best, v)
	}
	change := typicalChange
	if !math.IsInf(best, 1) {
		change = max(change, visible*best)
	}
	weights := make([]float64, len(value))
	// A row's threshold is shift/2 + (price - log value)/shift; the price is what makes the error
	// rates add up to alpha.
	low, high := -100.0, 100.0
	for range 50 {
		price := (low + high) / 2
		each(len(value), func(i int) {
			shift := max(change/relative[i], 1e-3)
			weights[i] = distuv.UnitNormal.Survival(shift/2 + (price-math.Log(value[i]))/shift)
		})
		sum := 0.0
		for _, w := range weights {
			sum += w
		}
		if sum > alpha {
			low = price
		} else {
			high = price
		}
	}
	return normal(rising(weights, value))
}

// rising raises the weights of larger rows to those of smaller ones.
func rising(weights, value []float64) []float64 {
	order := make([]int, len(value))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(value[a], value[b]), cmp.Compare(a, b)) })
	most := 0.0
	for _, i := range order {
		most = max(most, weights[i])
		weights[i] = most
	}
	return weights
}

// normal makes the weights add up to one.
func normal(weights []float64) []float64 {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	for i := range weights {
		if weights[i] /= sum; sum == 0 {
			weights[i] = 1 / float64(len(weights))
		}
	}
	return weights
}
