package bench

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/mayfly-profiler/mayfly/internal/diff"
)

// Turn is one run.
type Turn struct {
	New    bool // else of the base
	Layout int  // Side.Binary has the build for it
}

// First is how many runs of the base come first: enough to see its noise, and they are repeats like the others.
const First = 4

// Order is the turns of so many pairs, after the runs of the base alone. Both runs of a pair have the same layout. Which of them is the
// first one is drawn by chance: what changes on the machine then is as likely to meet the one as the other, however it changes, and
// pairs have no rhythm in common with it. Only the first pair has its base first, by which pairs can be told.
func Order(pairs int, rng *rand.Rand) (turns []Turn) {
	for i := range First {
		turns = append(turns, Turn{Layout: i})
	}
	for i := range pairs {
		a, b := Turn{Layout: i}, Turn{New: true, Layout: i}
		if i > 0 && rng.IntN(2) == 1 {
			a, b = b, a
		}
		turns = append(turns, a, b)
	}
	return turns
}

// Noise is what runs of one unchanged program differ by.
type Noise struct {
	CV float64 // what runs vary by, relative to their mean, of the benchmark that varies most (diff.Spread)
	N  int     // runs that tell
	DF float64 // degrees of freedom of CV
}

// Measure is the noise of the base's runs: for each benchmark the time of an operation in each run, all of the same length.
func Measure(runs map[string][]float64) Noise {
	var n Noise
	for _, x := range runs {
		if len(x) < 2 {
			continue
		}
		if cv, df := diff.Spread(x); cv > n.CV {
			n.CV, n.DF = cv, df
		}
		n.N = max(n.N, len(x))
	}
	return n
}

// power is the share of slowdowns of just the size that is looked for that are to be found.
const power = 0.9

// Floor is the change that comparing the base with itself shows by chance in one of twenty times, after so many runs a side:
// nothing below it is judged.
func (n Noise) Floor(base, new int) float64 {
	if n.N < 2 || base < 1 || new < 1 {
		return math.Inf(1)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: max(n.DF, 1)}
	return t.Quantile(0.95) * n.CV * math.Sqrt(1/float64(base)+1/float64(new))
}

// Wanted is how many runs a side it takes to find a relative change of that size.
func (n Noise) Wanted(change, alpha float64) int {
	if n.CV == 0 {
		return First
	}
	normal := distuv.UnitNormal
	z := normal.Quantile(1-alpha) + normal.Quantile(power)
	return max(First, int(math.Ceil(2*math.Pow(z*n.CV/change, 2))))
}

// Scaled is the CPU time of each run for the same work: divided by the time that its operations take on average over all runs.
func Scaled(cpu []float64, ops []map[string]float64, times map[string][]float64) (x []float64) {
	names := slices.Sorted(maps.Keys(times)) // a sum over a map is another one each time, in its last digits
	for i := range cpu {
		work := 0.0
		for _, name := range names {
			work += ops[i][name] * stat.Mean(times[name], nil)
		}
		x = append(x, cpu[i]/max(work, 1e-9))
	}
	return x
}

// Common keeps of each run's benchmarks those that all runs have, with their times in the order of the runs.
func Common(runs []map[string]float64) map[string][]float64 {
	out := make(map[string][]float64)
	for _, r := range runs {
		for name, v := range r {
			out[name] = append(out[name], v)
		}
	}
	for name, x := range out {
		if len(x) != len(runs) || slices.Contains(x, 0) {
			delete(out, name)
		}
	}
	return out
}
