package diff

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/work"
)

// benchmarkLabel is the key under which a sample has the function of its benchmark.
const benchmarkLabel = "benchmark"

// groups are the benchmarks' functions by number; 0 is for what belongs to none.
type groups struct {
	names []string
	index map[string]int
}

func newGroups(w *work.Work) *groups {
	g := &groups{names: []string{""}, index: make(map[string]int)}
	for f := range w.Groups() {
		g.index[f] = len(g.names)
		g.names = append(g.names, f)
	}
	return g
}

// of is the group of a sample.
func (g *groups) of(s *profile.Sample) int {
	for _, v := range s.Label[benchmarkLabel] {
		f, _, _ := strings.Cut(v, "/")
		return g.index[f]
	}
	return 0
}

// byGroup are the sums of one group of samples: ns by row.
type byGroup struct {
	total     float64
	flat, cum map[int32]float64
}

// awaiting is the time in which the benchmark's goroutine waited for those that it had started to run its operations.
func (g *byGroup) awaiting(rows []string) (ns float64) {
	for _, row := range slices.Sorted(maps.Keys(g.flat)) {
		if ofBenchmark(rows[row]) {
			ns += g.flat[row]
		}
	}
	return ns
}

// ofBenchmark says whether a function is package testing's, which runs benchmarks. How long it waits is how long operations take, on a
// host with whatever load: their time is compared anyway.
func ofBenchmark(name string) bool { return names.Match(name, names.Benchmarking) }
