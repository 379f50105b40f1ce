package profiler

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func TestBenchmarkName(t *testing.T) {
	for function, want := range map[string]string{
		"example.com/a.b/pkg.BenchmarkFoo":       "BenchmarkFoo",
		"example.com/a.b/pkg.BenchmarkFoo.func1": "BenchmarkFoo/func1",
		"main.BenchmarkFoo.func2.1":              "BenchmarkFoo/func2.1",
		"example.com/pkg.bench":                  "bench",
		"runtime.GC":                             "",
		"testing.(*B).ResetTimer":                "",
		"example.com/runtime.BenchmarkFoo":       "BenchmarkFoo",
		"[unknown]":                              "",
		"":                                       "",
	} {
		if got := benchmarkName(function); got != want {
			t.Errorf("%s: %q, want %q", function, got, want)
		}
	}
}

// Goroutines inherit the benchmark of who started them, and a label of the program's own stays.
func TestBenchmarkLabel(t *testing.T) {
	x := text{funcs: []string{"main.work", "a.b/c.BenchmarkX", "testing.(*B).runN", "testing.(*B).launch",
		"runtime.goexit.abi0", "main.other"}}
	stack := func(names ...string) (pcs []uint64) {
		for _, name := range names {
			pcs = append(pcs, x.at(name, 0x20))
		}
		return append(pcs, x.at("runtime.goexit.abi0", 1))
	}
	bench := stack("main.work", "a.b/c.BenchmarkX", "testing.(*B).runN", "testing.(*B).launch")
	own := []sample.Label{{Key: "benchmark", Value: "mine"}}
	b := NewBuilder(x, Keep{Goroutines: true})
	b.arch = "amd64"
	script{
		{Goid: 9, Parent: 1, Count: 1, Weight: 1, State: sample.Running, User: stack("main.other")}, // before any benchmark
		{Goid: 2, Count: 1, Weight: 1, State: sample.Running, User: bench},
		{Goid: 3, Parent: 2, Count: 1, Weight: 1, State: sample.Running, User: stack("main.other")},
		{Goid: 4, Parent: 3, Count: 1, Weight: 1, State: sample.Running, User: stack("main.other")},
		{Goid: 3, Count: 1, Weight: 2, State: sample.Running, User: stack("main.work")}, // on-CPU samples do not know parents
		{Goid: 5, Parent: 2, Count: 1, Weight: 1, State: sample.Running, User: stack("main.other"), Labels: own},
		{Goid: 6, Parent: 1, Count: 1, Weight: 1, State: sample.Running, User: stack("main.other")},
	}.Run(t.Context(), b.Add)
	got := map[int64]string{}
	for _, s := range b.Profile().Sample {
		id := s.NumLabel["go.id"][0]
		got[id] = ""
		if v := s.Label["benchmark"]; len(v) == 1 {
			got[id] = v[0]
		}
	}
	for id, want := range map[int64]string{2: "BenchmarkX", 3: "BenchmarkX", 4: "BenchmarkX", 5: "mine", 6: "", 9: ""} {
		if got[id] != want {
			t.Errorf("goroutine %d: %q, want %q", id, got[id], want)
		}
	}
}
