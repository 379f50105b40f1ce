package bench

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/diff"
)

// Line is one line of a history: what one experiment showed.
type Line struct {
	Time       time.Time             `json:"time"`
	Base       string                `json:"base"`
	New        string                `json:"new"`
	BaseCommit string                `json:"base_commit,omitempty"` // where git knows it
	NewCommit  string                `json:"new_commit,omitempty"`
	GoVersion  string                `json:"go_version"`
	CPUModel   string                `json:"cpu_model,omitempty"`
	Runs       [2]int                `json:"runs"`
	Noise      float64               `json:"noise"` // what runs of base vary by, relative to their mean
	Outcome    diff.Outcome          `json:"outcome"`
	Benchmarks map[string][2]float64 `json:"benchmarks_ns"` // mean time of an operation, base and new
}

// Bounds of a history: more is not looked at, or no line.
const (
	mostLines   = 500
	longestLine = 1 << 20
)

// ReadHistory reads the last lines of a history. Its errors name the line.
func ReadHistory(r io.Reader) (lines []Line, err error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, longestLine)
	n := 0
	for in.Scan() {
		n++
		if len(in.Bytes()) == 0 {
			continue
		}
		var l Line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if lines = append(lines, l); len(lines) > 2*mostLines {
			lines = slices.Delete(lines, 0, mostLines)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return lines[max(0, len(lines)-mostLines):], nil
}

// A history of which nothing changed looks as if something had in a share of alpha of all cases, over all its benchmarks
// together. The test is that of Pettitt (1979): for each place where the history could be cut the ranks before and behind
// are compared as by Mann, Whitney and Wilcoxon, and there is a change if the most unlikely place is more unlikely than
// nearly all that shuffling the results brings. Ranks, because a result of a busy host can be anything. They do not know how
// far a step goes, so it is said to be where two medians fit best. Where something was found both parts are searched again,
// each at half of alpha. It takes results to be independent: a host that gets slower from month to month is a change.

// fewest is how many results it takes: of four before and four since an order as clear as can be is 1 of 35.
const fewest = 8

// leastPart is how many results there are on each side of a cut.
const leastPart = 3

// Shifts says since which line benchmarks are faster or slower than before, in the order of their names and of time. What is smaller
// than effect does not count. Results of another CPU model than the last line's are left out.
func Shifts(lines []Line, alpha, effect float64) (found []diff.Shift) {
	if len(lines) == 0 {
		return nil
	}
	last := lines[len(lines)-1]
	lines = slices.DeleteFunc(slices.Clone(lines), func(l Line) bool { return l.CPUModel != last.CPUModel })
	alpha /= float64(max(1, len(last.Benchmarks)))
	for _, name := range slices.Sorted(maps.Keys(last.Benchmarks)) {
		var at []int
		var ns []float64
		for i, l := range lines {
			if v := l.Benchmarks[name][1]; v > 0 {
				at, ns = append(at, i), append(ns, v)
			}
		}
		s := search{effect, rand.New(rand.NewPCG(uint64(len(ns)), 1))} // the same history says the same
		for _, c := range s.cuts(ns, alpha) {
			was, is := lines[at[c.at-1]], lines[at[c.at]]
			found = append(found, diff.Shift{
				Benchmark: name, Relative: c.relative, P: c.p, Before: c.before, Since: c.since, Time: is.Time,
				Last: cmp.Or(was.NewCommit, was.New), Commit: cmp.Or(is.NewCommit, is.New),
			})
		}
	}
	return found
}

// search finds cuts of one series.
type search struct {
	effect float64
	rng    *rand.Rand
}

// cut is a place where a series changes: before its element at.
type cut struct {
	at            int
	relative, p   float64
	before, since int // elements of both parts
}

// cuts are all of them, in order.
func (s *search) cuts(x []float64, alpha float64) []cut {
	if len(x) < fewest {
		return nil
	}
	p := s.chance(x, alpha)
	if p > alpha {
		return nil
	}
	at := where(x)
	c := cut{at: at, relative: middle(x[at:])/middle(x[:at]) - 1, p: p, before: at, since: len(x) - at}
	if math.Abs(c.relative) < s.effect {
		return nil
	}
	behind := s.cuts(x[c.at:], alpha/2)
	for i := range behind {
		behind[i].at += c.at
	}
	return slices.Concat(s.cuts(x[:c.at], alpha/2), []cut{c}, behind)
}

// chance is how often shuffling brings a cut as steep as the steepest one of x. What is above alpha anyway is not counted to its
// end: nearly all benchmarks of a history did not change, and are done after some tens of shuffles instead of 20/alpha.
func (s *search) chance(x []float64, alpha float64) (p float64) {
	ranks := ranked(x)
	most := steepest(ranks)
	shuffles := int(min(1e5, max(1e3, 20/alpha)))
	above := 1
	for range shuffles {
		if p = float64(above) / float64(shuffles+1); p > alpha {
			break
		}
		s.rng.Shuffle(len(ranks), func(i, j int) { ranks[i], ranks[j] = ranks[j], ranks[i] })
		if steepest(ranks) >= most {
			above++
		}
	}
	return float64(above) / float64(shuffles+1)
}

// steepest is by how many standard deviations the ranks of the parts differ, at the cut where they differ most.
func steepest(ranks []float64) (most float64) {
	n, sum := float64(len(ranks)), 0.0
	for i, r := range ranks {
		sum += r
		k := float64(i + 1)
		if i+1 < leastPart || len(ranks)-i-1 < leastPart {
			continue
		}
		most = max(most, math.Abs(sum-k*(n+1)/2)/math.Sqrt(k*(n-k)*(n+1)/12))
	}
	return most
}

// where is the cut of which the parts are closest to their medians, in ratios.
func where(x []float64) (at int) {
	least := math.Inf(1)
	for i := leastPart; i <= len(x)-leastPart; i++ {
		if d := distance(x[:i]) + distance(x[i:]); d < least {
			at, least = i, d
		}
	}
	return at
}

// distance is the sum of those to the median.
func distance(x []float64) (sum float64) {
	m := math.Log(middle(x))
	for _, v := range x {
		sum += math.Abs(math.Log(v) - m)
	}
	return sum
}

// ranked are the ranks of x, that of equal ones in the middle.
func ranked(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	ranks := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			ranks[k] = float64(i+j+1) / 2
		}
		i = j
	}
	return ranks
}

// middle is the median.
func middle(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
