package fold

// A Go benchmark is known by its stack: testing.(*B).runN (names.Benchmarks) calls the benchmark function, and the
// goroutines of RunParallel call its body (testing/benchmark.go). What they do gets the label
// "benchmark", so that a profile of `go test -bench` can be taken apart. Goroutines that a benchmark
// starts inherit its name, as they would inherit labels; who started whom only the goroutine table
// knows (g.parentGoid, Go 1.21).
//
// The names are those of functions: BenchmarkFoo, and BenchmarkFoo/func1 for the first closure in it
// that is a sub-benchmark or a parallel body. What b.Run was told to call it is in the target's heap, and
// the runs of one closure with different names are one benchmark here.

import (
	"strings"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// benchmarkLabel is the key of the label.
const benchmarkLabel = "benchmark"

// maxBenchmarked bounds the goroutines of which the benchmark or the parent is kept.
const maxBenchmarked = 1 << 16

// benchmarks knows which goroutine works for which benchmark.
type benchmarks struct {
	any  bool // one was seen: all else costs nothing in programs that are no test
	of   map[uint64]string
	from map[uint64]uint64 // goroutine that started it
}

// inherit returns the benchmark of a goroutine: what it was first seen in, which is the same all its life,
// or that of the nearest parent that has one.
func (m *benchmarks) inherit(s *sample.Sample, own string) string {
	if len(m.of) >= maxBenchmarked || len(m.from) >= maxBenchmarked {
		clear(m.of)
		clear(m.from)
	}
	if s.Parent != 0 {
		m.from[s.Goid] = s.Parent
	}
	name := m.of[s.Goid]
	if name == "" {
		name = own
	}
	for id, steps := s.Goid, 0; name == "" && id != 0 && steps < 100; steps++ {
		name, id = m.of[id], m.from[id]
	}
	if name != "" {
		m.of[s.Goid] = name
	}
	return name
}

// benchmarkOf is the benchmark whose function is on a stack, leaf first.
func benchmarkOf(stack []*site) string {
	for i := len(stack) - 1; i > 0; i-- {
		if stack[i].role != benchmarker {
			continue
		}
		caller, called := stack[i].frames, stack[i-1].frames
		return benchmarkName(called[len(called)-1], caller[len(caller)-1].File)
	}
	return ""
}

// benchmarkName makes BenchmarkFoo of example.com/pkg.BenchmarkFoo, which a function of that file of package testing calls. What
// it calls besides is no benchmark: the collector before each run, and since Go 1.24 context.WithCancel. So of a function
// of the standard library the name has to say that it is one.
func benchmarkName(called symbolize.Frame, testing string) string {
	base := called.Func[strings.LastIndexByte(called.Func, '/')+1:]
	pkg, name, _ := strings.Cut(base, ".")
	if pkg == base || inStd(called, testing) && !hasPrefixFold(name, "benchmark") {
		return ""
	}
	outer, closure, found := strings.Cut(name, ".func")
	if !found {
		return name
	}
	return outer + "/func" + closure
}

// inStd says whether a function is of the standard library: its file lies where a file of package testing does. Built with
// -trimpath, which leaves import paths, it does if the path does not begin with a host's name.
func inStd(f symbolize.Frame, testing string) bool {
	if root, ok := strings.CutSuffix(testing, "testing/benchmark.go"); ok && root != "" {
		return strings.HasPrefix(f.File, root)
	}
	first, rest, _ := strings.Cut(f.Func, "/")
	if rest == "" {
		first, _, _ = strings.Cut(first, ".")
	}
	return first != "main" && !strings.Contains(first, ".")
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
