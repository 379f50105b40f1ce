package diff

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// document compares two profiles, three times each.
func document(t *testing.T, before, after func() *profile.Profile) *Document {
	t.Helper()
	d := &Document{}
	var sides [2][]*Profile
	for range 3 {
		d.Before, d.After = append(d.Before, before()), append(d.After, after())
		sides[older] = append(sides[older], Reduce(before(), "base", Options{}))
		sides[newer] = append(sides[newer], Reduce(after(), "new", Options{}))
	}
	var err error
	if d.Result, err = Compare(sides[older], sides[newer], Options{}); err != nil {
		t.Fatal(err)
	}
	return d
}

// A benchmark of fixed time that is twice as slow does half as much of it: the profiles are equal, and the difference of what an
// operation takes is as large as what it took before.
func TestDifferenceOfWork(t *testing.T) {
	d := document(t, func() *profile.Profile { return bench(1e6, 1e6) }, func() *profile.Profile { return bench(1e6, 2e6) })
	p, err := d.difference()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, s := range p.Sample {
		sums[s.Location[0].Line[0].Function.Name] += float64(s.Value[0])
	}
	for name, want := range map[string]float64{"main.a": 0, "main.b": 4e9, "runtime.gcDrain": 1e9} {
		if math.Abs(sums[name]-want) > 10 {
			t.Errorf("%s: %+.0f ns, want %+.0f", name, sums[name], want)
		}
	}
	if p.DefaultSampleType != "cpu" || len(p.SampleType) != 1 {
		t.Errorf("columns %v, by default %s", p.SampleType, p.DefaultSampleType)
	}
	c := d.drawn()[0]
	root := c.graph(d.Before, d.After)
	if b := root.Child("main.b"); math.Abs(b.Base-0.4) > 1e-6 || math.Abs(b.New-0.8) > 1e-6 {
		t.Errorf("main.b is drawn as %.3f and %.3f of the base side, want 0.4 and 0.8", b.Base, b.New)
	}
	if err := Formats().Write(&bytes.Buffer{}, "html", d); err != nil {
		t.Error(err)
	}
}

// What is drawn is what is compared: counts with a period, and sides in units of their own.
func TestGraphOfOthers(t *testing.T) {
	ns := func() *profile.Profile { return foreign("cpu", "nanoseconds", "nanoseconds", 1e9, 1e7) }
	for name, p := range map[string]func() *profile.Profile{
		"milliseconds": func() *profile.Profile { return foreign("cpu", "milliseconds", "milliseconds", 1000, 10) },
		"counts":       func() *profile.Profile { return foreign("samples", "count", "nanoseconds", 100, 1e7) },
		"heap":         func() *profile.Profile { return foreign("inuse_space", "bytes", "", 4096, 512<<10) },
	} {
		base := ns
		if name == "heap" {
			base = p
		}
		d := document(t, base, p)
		c := d.drawn()[0]
		root := c.graph(d.Before, d.After)
		if a := root.Child("main.a"); math.Abs(a.Base-2./3) > 1e-6 || math.Abs(a.New-2./3) > 1e-6 {
			t.Errorf("%s: main.a is drawn as %v and %v, want two thirds of each", name, a.Base, a.New)
		}
	}
}

// A column that the base side has nothing of is drawn by the new side's shares.
func TestGraphOfNew(t *testing.T) {
	none := func() *profile.Profile { return foreign("cpu", "nanoseconds", "nanoseconds", 0, 1e7) }
	some := foreign("cpu", "nanoseconds", "nanoseconds", 1e9, 1e7)
	if root := Shares("cpu", none(), some); math.Abs(root.New-1) > 1e-9 || math.Abs(root.Child("main.a").New-2./3) > 1e-9 {
		t.Errorf("all of it is drawn as %v, main.a as %v", root.New, root.Child("main.a").New)
	}
}

// One benchmark of a function came to it: what both sides have of that function is left out, and not what the base has of it.
func TestWorkOfPart(t *testing.T) {
	more := func() *profile.Profile {
		p := bench(1e6, 1e6)
		p.Comments = append(p.Comments, "mayfly.bench=BenchmarkB/y-2 100 1000000 ns/op", "mayfly.ops.BenchmarkB/y-2=2000")
		return p
	}
	one := func() *profile.Profile { return bench(1e6, 1e6) }
	for name, d := range map[string]*Document{"added": document(t, one, more), "removed": document(t, more, one)} {
		if d.Outcome == Regressed || d.Outcome == Improved {
			t.Errorf("%s: %s", name, d.Verdict())
		}
		for _, c := range d.Columns {
			for _, row := range c.Rows {
				if math.Abs(row.Change.Relative) > 1e-6 || math.IsNaN(row.Change.P) {
					t.Errorf("%s: %s %s %+.2f", name, c.Name, row.Name, row.Change.Relative)
				}
			}
		}
		if !strings.Contains(strings.Join(d.Notes, "; "), "BenchmarkB/y-2") {
			t.Errorf("%s: notes %q", name, d.Notes)
		}
	}
}

// Names of benchmarks are from the profiles, and what they print on is somebody's terminal.
func TestWorkNames(t *testing.T) {
	evil := func() *profile.Profile {
		p := bench(1e6, 1e6)
		for i, c := range p.Comments {
			p.Comments[i] = strings.ReplaceAll(c, "BenchmarkA-2", "BenchmarkA\x1b[2J-2")
		}
		return p
	}
	d := document(t, evil, evil)
	for _, format := range []string{"text", "markdown"} {
		var b bytes.Buffer
		err := Formats().Write(&b, format, d)
		if text := b.String(); err != nil || !strings.Contains(text, "BenchmarkA") || strings.Contains(text, "\x1b") {
			t.Errorf("%s: %v\n%q", format, err, text)
		}
	}
}

// Nothing before and nothing now is no increase.
func TestBudgetOfNothing(t *testing.T) {
	column := func(ns int64) func() *profile.Profile {
		return func() *profile.Profile {
			p := foreign("cpu", "nanoseconds", "nanoseconds", 1e9, 1e7)
			p.SampleType = append(p.SampleType, &profile.ValueType{Type: "blocked", Unit: "nanoseconds"})
			for _, s := range p.Sample {
				s.Value = append(s.Value, ns)
			}
			return p
		}
	}
	for _, tt := range []struct {
		was, is int64
		want    string
	}{{0, 0, LimitKept}, {0, 1e9, LimitExceeded}, {1e9, 1e9, LimitKept}} {
		b, err := ReadBudget(strings.NewReader("limits:\n  - {total: blocked, max_increase: 5%}\n"), "b")
		if err != nil {
			t.Fatal(err)
		}
		before, after := column(tt.was), column(tt.is)
		load := func(By) (was, is []*Profile, err error) {
			for range 3 {
				was, is = append(was, Reduce(before(), "a", Options{})), append(is, Reduce(after(), "b", Options{}))
			}
			return was, is, nil
		}
		limits, err := b.Check(load, Options{})
		if err != nil || limits[0].Result != tt.want {
			t.Errorf("%d to %d: %s (%v), want %s", tt.was, tt.is, limits[0].Result, err, tt.want)
		}
	}
}

// A limit in ms is none for bytes.
func TestBudgetOfHeap(t *testing.T) {
	heap := []*Profile{Reduce(foreign("inuse_space", "bytes", "", 4096, 512<<10), "heap", Options{})}
	load := func(By) (was, is []*Profile, err error) { return heap, heap, nil }
	for limit, ok := range map[string]bool{"max: 30ms": false, "max_share: 90%": true, "max_increase: 5%": true} {
		b, err := ReadBudget(strings.NewReader("limits:\n  - {func: main.a, column: inuse_space, "+limit+"}\n"), "b")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Check(load, Options{}); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "inuse_space is no time") {
			t.Errorf("%s: %v", limit, err)
		}
	}
}
