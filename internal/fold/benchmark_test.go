package fold

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

func TestBenchmarkName(t *testing.T) {
	const (
		root    = "/usr/local/go/src/"
		trimmed = ""
	)
	for _, tt := range []struct{ function, file, root, want string }{
		{"example.com/a.b/pkg.BenchmarkFoo", "/home/a/pkg/x_test.go", root, "BenchmarkFoo"},
		{"example.com/a.b/pkg.BenchmarkFoo.func1", "/home/a/pkg/x_test.go", root, "BenchmarkFoo/func1"},
		{"main.BenchmarkFoo.func2.1", "/home/a/x_test.go", root, "BenchmarkFoo/func2.1"},
		{"example.com/pkg.bench", "/home/a/pkg/x_test.go", root, "bench"},
		{"mod/pkg.bench", "/home/a/pkg/x_test.go", root, "bench"},
		{"example.com/runtime.BenchmarkFoo", "/home/a/runtime/x_test.go", root, "BenchmarkFoo"},
		{"example.com/pkg.bench", "example.com/pkg/x_test.go", trimmed, "bench"},
		{"mod/pkg.BenchmarkFoo.func1", "mod/pkg/x_test.go", trimmed, "BenchmarkFoo/func1"},
		{"main.bench", "example.com/x_test.go", trimmed, "bench"},
		{"runtime.GC", root + "runtime/mgc.go", root, ""},
		{"testing.(*B).ResetTimer", root + "testing/benchmark.go", root, ""},
		{"context.WithCancel", root + "context/context.go", root, ""},
		{"internal/sync.(*Mutex).lockSlow", root + "internal/sync/mutex.go", root, ""},
		{"context.WithCancel", "context/context.go", trimmed, ""},
		{"context_test.BenchmarkCommonParentCancel", root + "context/benchmark_test.go", root, "BenchmarkCommonParentCancel"},
		{"sync_test.benchmarkMutex", root + "sync/mutex_test.go", root, "benchmarkMutex"},
		{"net/http.BenchmarkServer.func1", root + "net/http/serve_test.go", root, "BenchmarkServer/func1"},
		{"[unknown]", "", root, ""},
		{"", "", root, ""},
	} {
		if got := benchmarkName(symbolize.Frame{Func: tt.function, File: tt.file}, tt.root+"testing/benchmark.go"); got != tt.want {
			t.Errorf("%s in %s: %q, want %q", tt.function, tt.file, got, tt.want)
		}
	}
}

// Goroutines inherit the benchmark of who started them, and a label of the program's own stays.
func TestBenchmarkLabel(t *testing.T) {
	x := text{funcs: []string{"main.work", "a.b/c.BenchmarkX", "testing.(*B).runN", "testing.(*B).launch",
		"runtime.goexit.abi0", "main.other", "main.(*T).Wrapper"}}
	stack := func(names ...string) (pcs []uint64) {
		for _, name := range names {
			pcs = append(pcs, x.at(name, 0x20))
		}
		return append(pcs, x.at("runtime.goexit.abi0", 1))
	}
	bench := stack("main.work", "a.b/c.BenchmarkX", "testing.(*B).runN", "testing.(*B).launch")
	deep := sample.Words{At: 0x8000, Words: []uint64{0x8010, x.at("main.(*T).Wrapper", 8), 0x8020, x.at("testing.(*B).runN", 8),
		0x8030, x.at("testing.(*B).launch", 8), 0, x.at("runtime.goexit.abi0", 1)}}
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
		// The root of a deep stack: a method value, main.T.BenchmarkY-fm, has no frame of its own.
		{Goid: 7, Count: 1, Weight: 1, State: sample.Running, Loss: sample.Truncated, User: bench[:1], Top: deep},
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
	for id, want := range map[int64]string{2: "BenchmarkX", 3: "BenchmarkX", 4: "BenchmarkX", 5: "mine", 6: "", 7: "", 9: ""} {
		if got[id] != want {
			t.Errorf("goroutine %d: %q, want %q", id, got[id], want)
		}
	}
}
