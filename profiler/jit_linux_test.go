//go:build amd64

package profiler_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Generated code costs no sample its goroutine, its labels or its Go callers. Where its frame pointer is none, or its
// stack is not the goroutine's, the root is left, and [truncated] says so.
func TestGeneratedCode(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) { checkGenerated(t, b) })
	}
}

// The names of generated code are those that the program has written into its perf map.
func TestPerfMap(t *testing.T) { checkGenerated(t, target.Build{}, "-names") }

func checkGenerated(t *testing.T, b target.Build, args ...string) {
	x := target.Start(t, target.Compile(t, "jit", b), args...)
	rec := record(t, x.PID, 2*time.Second, profiler.Options{Rate: 1999, Keep: profiler.Keep{Goroutines: true}})
	var truth struct {
		Kinds []struct {
			Kind string
			Goid int64
		}
	}
	x.Truth(&truth)
	callers := []string{"main.enter", "main.(*kind).enter", "main.(*kind).run", "main.main.func1.1", "runtime/pprof.Do", "main.main.func1"}
	want := make(map[string][]string)
	for _, k := range truth.Kinds {
		code := func(kind string) string {
			if len(args) > 0 {
				return "code of " + kind
			}
			return "[jit]"
		}
		want[k.Kind] = append([]string{code(k.Kind)}, callers...)
		switch k.Kind {
		case "nested":
			want[k.Kind] = append([]string{code("nested")}, want[k.Kind]...)
		case "data", "stack":
			want[k.Kind] = []string{code(k.Kind), "[truncated]", "main.main.func1"}
		}
	}
	seen, wrong := make(map[string]int64), make(map[string]int64)
	for _, s := range rec.Profile.Sample {
		names := names(s)
		if slices.Contains(names, "[unknown]") {
			t.Errorf("a frame that is none: %q", names)
		}
		i := slices.IndexFunc(names, func(f string) bool { return f == "[jit]" || strings.HasPrefix(f, "code of ") })
		if i < 0 {
			continue
		}
		names = names[i:] // without the kernel's
		kind := strings.Join(s.Label["kind"], "")
		seen[kind] += s.Value[0]
		if !slices.Equal(names, want[kind]) {
			wrong[kind] += s.Value[0]
			t.Logf("%s: %d of %q", kind, s.Value[0], names)
		}
		for _, k := range truth.Kinds {
			if k.Kind == kind && !slices.Equal(s.NumLabel["go.id"], []int64{k.Goid}) {
				t.Errorf("%s: goroutine %v instead of %d", kind, s.NumLabel["go.id"], k.Goid)
			}
		}
	}
	t.Logf("%v, %.4f rooted", seen, rec.Summary.Stacks.Rooted)
	for _, k := range truth.Kinds {
		if n := seen[k.Kind]; n < 50 || wrong[k.Kind] > n/50 {
			t.Errorf("%s: %d samples, %d of them wrong", k.Kind, n, wrong[k.Kind])
		}
	}
	if seen[""] > 0 || rec.Summary.Stacks.Rooted < 0.998 {
		t.Errorf("%d samples without label, %.2f %% rooted", seen[""], 100*rec.Summary.Stacks.Rooted)
	}
}
