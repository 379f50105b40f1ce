package diff

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// roundsOf are rounds of two benchmarks, of which New takes slow more of the second. A host whose speed changes by a half has no part in
// what one side takes by the other's, which differs by 2 % from one run to the next and by layout from one build to the next.
func roundsOf(rng *rand.Rand, n, layouts int, layout, slow float64) (rounds []Round) {
	builds := make([]float64, layouts)
	for i := range builds {
		builds[i] = math.Exp(layout * rng.NormFloat64())
	}
	for i := range n {
		speed := 1 + rng.Float64()/2
		r := Round{Layout: i % layouts, Base: make(map[string]float64), New: make(map[string]float64)}
		for k, name := range []string{"BenchmarkA", "BenchmarkB"} {
			r.Base[name] = 1000 * speed * (1 + 0.014*rng.NormFloat64())
			r.New[name] = 1000 * speed * (1 + slow*float64(k)) * builds[r.Layout] * (1 + 0.014*rng.NormFloat64())
		}
		rounds = append(rounds, r)
	}
	return rounds
}

// Runs side by side find what the host's noise hides, and nothing where there is nothing, whatever builds differ by.
func TestDuets(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 4))
	const n = 40
	for _, tt := range []struct {
		rounds, layouts int
		layout, slow    float64
		least, most     int
	}{
		{rounds: 40, layouts: 1, most: 3},
		{rounds: 40, layouts: 4, layout: 0.03, most: 3},
		{rounds: 40, layouts: 16, layout: 0.03, most: 4},
		{rounds: 10, layouts: 16, layout: 0.03, most: 4},
		{rounds: 3, layouts: 16, most: 3},
		{rounds: 40, layouts: 1, slow: 0.05, least: n, most: n},
		{rounds: 40, layouts: 16, layout: 0.02, slow: 0.05, least: n - 2, most: n},
	} {
		found, wrong := 0, 0
		for range n {
			sides := experiment{host: 0.2, runs: 12}.sides(rng)
			r, err := Compare(sides[older], sides[newer], Options{Rounds: roundsOf(rng, tt.rounds, tt.layouts, tt.layout, tt.slow),
				Columns: []string{sample.ColumnCPU}, Floors: map[string]float64{TimeColumn: math.Inf(1), sample.ColumnCPU: math.Inf(1)}})
			if err != nil {
				t.Fatal(err)
			}
			c := r.Columns[slices.IndexFunc(r.Columns, func(c Column) bool { return c.Name == DuetColumn })]
			if c.Rounds != tt.rounds || len(c.Rows) != 2 || c.Unit != unitEach {
				t.Fatalf("%+v", c)
			}
			for _, row := range c.Rows {
				switch {
				case row.Name == "BenchmarkB" && row.Outcome == Regressed:
					found++
				case row.Outcome == Regressed:
					wrong++
				}
			}
		}
		if t.Logf("%+v: %d of %d found", tt, found, n); found < tt.least || found > tt.most || wrong > 3 {
			t.Errorf("%+v: %d of %d found, and %d of what did not change", tt, found, n, wrong)
		}
	}
}

// Of two rounds nothing is said, nor of a benchmark that is not in all of them.
func TestDuetsOfFew(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 5))
	for _, n := range []int{2, 3} {
		rounds := roundsOf(rng, n, 1, 0, 1)
		delete(rounds[1].New, "BenchmarkA")
		sides := experiment{host: 0.1, runs: 4}.sides(rng)
		r, err := Compare(sides[older], sides[newer], Options{Rounds: rounds})
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, c := range r.Columns {
			if c.Name == DuetColumn {
				rows += len(c.Rows)
			}
		}
		if want := n - 2; rows != want {
			t.Errorf("%d rounds: %d rows, want %d", n, rows, want)
		}
	}
}

// Of a benchmark that keeps one CPU busy rounds decide what an operation takes: runs in turns, in which new has a slower host by 30 %, are
// only shown. Of one that keeps four busy they do not.
func TestRoundsDecide(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 6))
	for _, tt := range []struct {
		name       string
		single     bool
		rounds     int
		slow       float64
		want       Outcome
		total, off float64 // change of the total, and by how much it may be off
	}{
		{"the same", true, 40, 0, Same, 0, 0.02},
		{"slower", true, 40, 0.05, Regressed, 0.05, 0.02},
		{"few rounds", true, 9, 0, Regressed, 0.3, 0.1},
		{"several CPUs", false, 40, 0, Regressed, 0.3, 0.1},
	} {
		e := experiment{runs: 16, single: tt.single}
		for i := range 32 {
			e.speed = append(e.speed, (1+0.3*float64((i+i/2)%2))*math.Exp(0.05*rng.NormFloat64()))
		}
		rounds := roundsOf(rng, tt.rounds, 1, 0, tt.slow)
		for _, r := range rounds { // of the benchmark that the recordings have
			r.Base["BenchmarkX-4"], r.New["BenchmarkX-4"] = r.Base["BenchmarkB"], r.New["BenchmarkB"]
			for _, name := range []string{"BenchmarkA", "BenchmarkB"} {
				delete(r.Base, name)
				delete(r.New, name)
			}
		}
		sides := e.sides(rng)
		r, err := Compare(sides[older], sides[newer], Options{Rounds: rounds, MinSamples: 500})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(r.Columns, func(c Column) bool { return c.Name == sample.ColumnCPU })
		total := r.Columns[i].Total
		if d := total.Change.Relative - tt.total; r.Outcome != tt.want || math.Abs(d) > tt.off || total.Outcome != tt.want {
			t.Errorf("%s: %s, total %s %+v", tt.name, r.Verdict(), total.Outcome, total.Change)
		}
	}
}
