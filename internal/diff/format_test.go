package diff

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

var update = flag.Bool("update", false, "write the golden files")

// compared is a comparison with everything in it: a regression, an improvement, a budget.
func compared(t *testing.T) *Result {
	rng := rand.New(rand.NewPCG(1, 2))
	base, after := typical(), slower(0.3)
	after.shares[3] *= 0.5
	s := trialSet{repeats: 5, seconds: 10, rate: 999}
	sides := [2][]*Profile{s.side(rng, base), s.side(rng, after)}
	r, err := Compare(sides[0], sides[1], Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadBudget(strings.NewReader("limits:\n  - {func: main.f5, max_share: 5%}\n"+
		"  - {total: cpu, max_increase: 5%}\n  - {func: main.typo*, max: 1s}\n"), "b")
	if err != nil {
		t.Fatal(err)
	}
	r.Budget, err = b.Check(func(By) ([]*Profile, []*Profile, error) { return sides[0], sides[1], nil }, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.History = []Shift{{Benchmark: "BenchmarkX-2", Last: "v1.2.0", Commit: strings.Repeat("0123456789", 4) + "+dirty",
		Time: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), Relative: 0.123, P: 0.0012, Before: 14, Since: 6}}
	return r
}

func TestFormats(t *testing.T) {
	for _, name := range []string{"text", "markdown", "json"} {
		var got bytes.Buffer
		if err := Formats().Write(&got, name, &Document{Result: compared(t)}); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", "diff."+name)
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s differs from %s (-update writes it):\n%s", name, golden, got.Bytes())
		}
	}
}

// TestPprofIsTheDifference subtracts a profile from one with twice the time in a function: shares of
// what the base has.
func TestPprofIsTheDifference(t *testing.T) {
	make := func(f, g int64) *profile.Profile {
		p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
			DurationNanos: 10e9}
		for i, v := range []int64{f, g} {
			fn := &profile.Function{ID: uint64(i + 1), Name: []string{"main.f.func1", "main.g"}[i]}
			l := &profile.Location{ID: fn.ID, Address: uint64(i + 1), Line: []profile.Line{{Function: fn}}}
			p.Function, p.Location = append(p.Function, fn), append(p.Location, l)
			p.Sample = append(p.Sample, &profile.Sample{Location: []*profile.Location{l}, Value: []int64{v / 1e6, v}})
		}
		return p
	}
	before, after := make(4e9, 6e9), make(8e9, 12e9) // twice the load, nothing else
	r, err := Compare([]*Profile{Reduce(before, "a", Options{})}, []*Profile{Reduce(after, "b", Options{})}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := (&Document{Result: r, Before: []*profile.Profile{before}, After: []*profile.Profile{after}}).difference()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]int64{}
	for _, s := range p.Sample {
		sums[s.Location[0].Line[0].Function.Name] += s.Value[0]
	}
	if len(sums) != 2 || sums["main.f.func"] != 0 || sums["main.g"] != 0 {
		t.Errorf("difference of equal shares: %v", sums)
	}
}

func TestParseBy(t *testing.T) {
	for _, text := range []string{"func", "line", "state", "label:k", "label:k,state"} {
		by, err := ParseBy(text)
		if err != nil || by.String() != text {
			t.Errorf("%s: %v, %v", text, by, err)
		}
	}
	for _, text := range []string{"", "label:", "func,state", "colour", "label:a,label:b"} {
		if by, err := ParseBy(text); err == nil {
			t.Errorf("%q: %v", text, by)
		}
	}
}

// TestAdjust holds adjust against R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.5), "BH").
func TestAdjust(t *testing.T) {
	even := []float64{0.2, 0.2, 0.2, 0.2, 0.2}
	got := adjust([]float64{0.01, 0.02, 0.03, 0.04, 0.5}, even)
	for i, want := range []float64{0.05, 0.05, 0.05, 0.05, 0.5} {
		if d := got[i] - want; d > 1e-12 || d < -1e-12 {
			t.Errorf("%v", got)
		}
	}
}

// TestFitFindsThePrior draws variances from the model and gets its parameters back.
func TestFitFindsThePrior(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	chi := func(df int) (x float64) {
		for range df {
			n := rng.NormFloat64()
			x += n * n
		}
		return x / float64(df)
	}
	var rows []spread
	for range 5000 {
		rows = append(rows, spread{ratio: 2 / chi(10) * chi(8), df: 8}) // scale 2, 10 degrees of freedom
	}
	var m noise
	m.fit(rows)
	if m.scale < 1.8 || m.scale > 2.2 || m.df < 7 || m.df > 14 {
		t.Errorf("scale %.2f, df %.1f, want 2 and 10", m.scale, m.df)
	}
}
