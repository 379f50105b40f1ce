// Package work is how much work a recording stands for: how many operations of which benchmarks, or one run of a command.
// Without it two profiles can be compared by share only, and what makes everything slower alike is not visible.
//
// It is kept in the profile's comments:
//
//	mayfly.bench=BenchmarkDecode/small-2 727272 3300 ns/op    a line of results, as go test has printed it
//	mayfly.ops.BenchmarkDecode/small-2=730572.4               operations that the recording has in it
//	mayfly.ops.run=1                                          the command, from its first instruction until it ended by itself
//	mayfly.run.wall_ns=2000000000                             how long that took
//	mayfly.run.cpu_ns=1990000000                              and the CPU time that it used
//
// The operations are more than those of the result: go test runs a benchmark with fewer of them first, until it
// knows how many take as long as -benchtime wants.
package work

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"golang.org/x/perf/benchfmt"
)

// Run is the name of the operation "one run of the command".
const Run = "run"

// Keys of the comments.
const (
	benchKey   = sample.CommentBench + "="
	opsKey     = sample.CommentOps
	runWallKey = sample.CommentRunWall + "="
	runCPUKey  = sample.CommentRunCPU + "="
)

// Bounds on what is believed of a file or of a program's output.
const (
	mostResults = 10_000
	longestLine = 4 << 10
	mostOps     = 1e18 // in one recording
)

// Work is what a recording has done. The zero value is: not known.
type Work struct {
	// Benchmarks are the results by name, as go test prints it: with the name of the sub-benchmark and GOMAXPROCS.
	Benchmarks map[string]Benchmark
	// Runs is how often the command ran from begin to end: 1, or 0 if that is not known.
	Runs float64
	// Wall and CPU are the time of one run.
	Wall, CPU time.Duration

	lines []string // of results, in their order
}

// Benchmark is what is known of one benchmark.
type Benchmark struct {
	Ops     float64   // that the recording has in it
	Seconds []float64 // for one operation, one of each line of results
}

// Mean is the mean time of one operation, in seconds.
func (b Benchmark) Mean() float64 {
	sum := 0.0
	for _, s := range b.Seconds {
		sum += s
	}
	return sum / float64(max(len(b.Seconds), 1))
}

// Function is the benchmark's own function, BenchmarkDecode for BenchmarkDecode/small-2.
func Function(name string) string {
	name, _, _ = strings.Cut(name, "/")
	if i := strings.LastIndexByte(name, '-'); i >= 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		name = name[:i]
	}
	return name
}

// Known says whether anything is known.
func (w *Work) Known() bool { return len(w.Benchmarks) > 0 || w.Runs > 0 }

// Names are the benchmarks, sorted.
func (w *Work) Names() []string { return slices.Sorted(maps.Keys(w.Benchmarks)) }

// Comments are the lines that say it in a profile.
func (w *Work) Comments() (lines []string) {
	for _, l := range w.lines {
		lines = append(lines, benchKey+l)
	}
	for _, name := range w.Names() {
		lines = append(lines, opsKey+name+"="+strconv.FormatFloat(w.Benchmarks[name].Ops, 'g', -1, 64))
	}
	if w.Runs > 0 && len(w.Benchmarks) == 0 {
		lines = append(lines, opsKey+Run+"="+strconv.FormatFloat(w.Runs, 'g', -1, 64),
			runWallKey+strconv.FormatInt(int64(w.Wall), 10), runCPUKey+strconv.FormatInt(int64(w.CPU), 10))
	}
	for i := range lines {
		lines[i] = sample.CommentMark + lines[i]
	}
	return lines
}

// Read is what the comments of a profile say. Those of other keys are left alone, and what makes no sense is not known.
func Read(comments []string) Work {
	var w Work
	for _, c := range comments {
		c = strings.TrimPrefix(c, sample.CommentMark)
		switch {
		case strings.HasPrefix(c, benchKey):
			w.result(c[len(benchKey):])
		case strings.HasPrefix(c, runWallKey):
			w.Wall = duration(c[len(runWallKey):])
		case strings.HasPrefix(c, runCPUKey):
			w.CPU = duration(c[len(runCPUKey):])
		case strings.HasPrefix(c, opsKey):
			w.ops(c[len(opsKey):])
		}
	}
	maps.DeleteFunc(w.Benchmarks, func(_ string, b Benchmark) bool { return b.Ops <= 0 || len(b.Seconds) == 0 })
	if w.Wall <= 0 {
		w.Runs = 0
	}
	return w
}

func duration(text string) time.Duration {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Duration(max(n, 0))
}

// ops reads NAME=NUMBER. The name may have any character in it.
func (w *Work) ops(text string) {
	i := strings.LastIndexByte(text, '=')
	n, err := strconv.ParseFloat(text[i+1:], 64)
	if i <= 0 || err != nil || !(n > 0 && n <= mostOps) {
		return
	}
	if text[:i] == Run {
		w.Runs = n
		return
	}
	if b, ok := w.add(text[:i]); ok {
		b.Ops = n
		w.Benchmarks[text[:i]] = b
	}
}

// add makes room for a benchmark.
func (w *Work) add(name string) (Benchmark, bool) {
	b, ok := w.Benchmarks[name]
	if !ok && len(w.Benchmarks) >= mostResults {
		return b, false
	}
	if w.Benchmarks == nil {
		w.Benchmarks = make(map[string]Benchmark)
	}
	return b, true
}

// result reads one line of results and says what it is of. It is false for what is none, or says no time.
func (w *Work) result(line string) (name string, perOp float64, n int, ok bool) {
	name, perOp, n, ok = parse(line)
	if !ok || len(w.lines) >= mostResults {
		return name, 0, 0, false
	}
	b, ok := w.add(name)
	if ok {
		b.Seconds = append(b.Seconds, perOp)
		w.Benchmarks[name] = b
		w.lines = append(w.lines, strings.Join(strings.Fields(line), " "))
	}
	return name, perOp, n, ok
}

// parse reads a line in Go's benchmark format.
func parse(line string) (name string, perOp float64, n int, ok bool) {
	if len(line) > longestLine {
		return "", 0, 0, false
	}
	r := benchfmt.NewReader(strings.NewReader(line), "")
	for r.Scan() {
		res, isResult := r.Result().(*benchfmt.Result)
		if !isResult {
			continue
		}
		perOp, hasTime := res.Value("sec/op") // benchfmt makes seconds of ns/op
		if hasTime && perOp > 0 && res.Iters > 0 && float64(res.Iters) < mostOps {
			return "Benchmark" + string(res.Name), perOp, res.Iters, true
		}
	}
	return "", 0, 0, false
}

// Groups are the benchmarks by their own function, sorted.
func (w *Work) Groups() iter.Seq2[string, []string] {
	by := make(map[string][]string)
	for _, name := range w.Names() {
		f := Function(name)
		by[f] = append(by[f], name)
	}
	return func(yield func(string, []string) bool) {
		for _, f := range slices.SortedFunc(maps.Keys(by), cmp.Compare) {
			if !yield(f, by[f]) {
				return
			}
		}
	}
}
