package work

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) print(t *testing.T, l *Lines, seconds float64, text string) {
	t.Helper()
	c.at = c.at.Add(time.Duration(seconds * 1e9))
	if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
}

// What go test prints, at the times at which it does: 100 operations of 1 ms and one before are in 0.1 s, and trials with
// fewer operations before that.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(1, 0)}
	l := NewLines(&out)
	l.now = c.now
	c.print(t, l, 0, "goos: linux\npkg: example.com/a\nBenchmarkA-2 \t")
	c.print(t, l, 0.15, "100\t 1000000 ns/op\t 12 B/op\n")
	c.print(t, l, 0, "BenchmarkA-2 \t")
	c.print(t, l, 0.10, "100\t 1000000 ns/op\n")
	c.print(t, l, 0, "BenchmarkLoop/x=1-2 \t 50\t 2000000 ns/op\t 3.5 widgets/op\n") // B.Loop: all before the name
	c.print(t, l, 0, "=== RUN   BenchmarkV\nBenchmarkV\n")
	c.print(t, l, 2, "BenchmarkV-2 \t 1000\t 1000000 ns/op\n")
	c.print(t, l, 0, "BenchmarkBroken\nBenchmarkNo result\n"+strings.Repeat("x", 3*longestLine)+"\nPASS\n")
	w := l.Work()
	want := map[string]float64{"BenchmarkA-2": 151 + 101, "BenchmarkLoop/x=1-2": 50, "BenchmarkV-2": 2001}
	for name, ops := range want {
		if got := w.Benchmarks[name].Ops; math.Abs(got-ops) > 1e-6*ops {
			t.Errorf("%s: %v operations, want %v", name, got, ops)
		}
	}
	if len(w.Benchmarks) != len(want) || !slices.Equal(w.Benchmarks["BenchmarkA-2"].Seconds, []float64{1e-3, 1e-3}) {
		t.Errorf("%+v", w)
	}
	if !strings.HasSuffix(out.String(), "\nPASS\n") || !strings.Contains(out.String(), "12 B/op\n") {
		t.Errorf("passed on: %.300q", out.String())
	}
	again := Read(w.Comments())
	if a, b := again.Comments(), w.Comments(); !slices.Equal(a, b) {
		t.Errorf("read back %q, written %q", a, b)
	}
}

func TestFunction(t *testing.T) {
	for name, want := range map[string]string{
		"BenchmarkA-2": "BenchmarkA", "BenchmarkA": "BenchmarkA", "BenchmarkA/x-y-16": "BenchmarkA", "BenchmarkA_b-c": "BenchmarkA_b-c",
	} {
		if got := Function(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestRun(t *testing.T) {
	w := Work{Runs: 1, Wall: 2 * time.Second, CPU: time.Second}
	if got := Read(w.Comments()); got.Runs != 1 || got.Wall != w.Wall || got.CPU != w.CPU || !got.Known() {
		t.Errorf("%+v of %q", got, w.Comments())
	}
	for _, c := range []string{"mayfly.ops.run=1", "mayfly.ops.run=NaN", "mayfly.ops.=1", "mayfly.ops.x=1e300", "mayfly.bench=x",
		"mayfly.ops.BenchmarkA=3"} {
		if w := Read([]string{c}); w.Known() {
			t.Errorf("%s: %+v", c, w)
		}
	}
}

// Whatever a program prints is passed on as it is, and what is read of it can be read again.
func FuzzLines(f *testing.F) {
	f.Add("BenchmarkA-2 \t100\t 5 ns/op\n")
	f.Add("BenchmarkA\nBenchmarkA-2 \t100\t 5 ns/op 1e999 x\n\x16BenchmarkB 1 1 ns/op\n")
	f.Add(strings.Repeat("BenchmarkA 1 1 ns/op\n", 100))
	f.Add("BenchmarkA 1044444444444444440 .4444444 ns/op\n")
	f.Add("BenchmarkA 1 1e-300 ns/op\nBenchmarkA 999999999999999999 1 ns/op\nBenchmarkA 999999999999999999 1 ns/op\n")
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		l := NewLines(&out)
		half := len(text) / 2
		l.Write([]byte(text[:half]))
		l.Write([]byte(text[half:]))
		if out.String() != text {
			t.Fatal("changed")
		}
		w := l.Work()
		again := Read(w.Comments())
		if len(again.Benchmarks) != len(w.Benchmarks) {
			t.Fatalf("%q: read back %+v", w.Comments(), again)
		}
	})
}
