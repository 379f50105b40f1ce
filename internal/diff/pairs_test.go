package diff

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The lowest and the highest two of ten do not count, and make the variance what it is: that of 3 3 3 4 5 6 7 8 8 8 is 42.5/9.
func TestTrim(t *testing.T) {
	m := trim([]float64{3, 7, 1, 100, 5, 6, 2, 4, 8, 9}, nil)
	if math.Abs(m.mean-5.5) > 1e-12 || math.Abs(m.variance-42.5/30) > 1e-12 || m.df != 5 {
		t.Errorf("%+v", m)
	}
	if m := trim([]float64{1, 2, 6}, nil); m.mean != 3 || math.Abs(m.variance-7.0/3) > 1e-12 || m.df != 2 {
		t.Errorf("few: %+v", m)
	}
}

// Runs in turns are pairs, those before are in none; without turns, or without times, there are no pairs.
func TestPairs(t *testing.T) {
	sides := func(order string) (s [2][]*Profile) {
		for i, c := range order {
			p := &Profile{begun: int64(i + 1)}
			if c == 'B' {
				s[newer] = append(s[newer], p)
			} else {
				s[older] = append(s[older], p)
			}
		}
		return s
	}
	got := turns(sides("AAABBAABBAABBAABBAABBA"))
	if len(got) != 10 || got[0] != [2]int{2, 0} || got[1] != [2]int{3, 1} {
		t.Errorf("%v", got)
	}
	if got := turns(sides("AAAAAAAAAAAABBBBBBBBBBBB")); got != nil {
		t.Errorf("no turns: %v", got)
	}
	s := sides("ABABABABABABABABABABAB")
	if s[older][3].begun = 0; turns(s) != nil {
		t.Error("without times")
	}
}

// wander is the speed of a host from run to run: it drifts, and a few runs take ten times as long.
func wander(rng *rand.Rand, n int) (x []float64) {
	drift := 0.0
	for range n {
		drift += 0.1 * rng.NormFloat64()
		v := math.Exp(drift + 0.04*rng.NormFloat64())
		if rng.IntN(40) == 0 {
			v *= 10
		}
		x = append(x, v)
	}
	return x
}

// On a host whose speed drifts and that is ten times as slow now and then, a benchmark of which all is 10 % slower is found by its time
// and by its CPU time, and one that did not change is not.
func TestTurns(t *testing.T) {
	for _, tt := range []struct {
		all         float64
		least, most int
	}{{0.1, 5, 5}, {0, 0, 1}} {
		rng := rand.New(rand.NewPCG(5, 1))
		found := 0
		for range 5 {
			e := experiment{all: tt.all, runs: 24, speed: wander(rng, 48)}
			sides := e.sides(rng)
			r, err := Compare(sides[older], sides[newer], Options{})
			if err != nil {
				t.Fatal(err)
			}
			took, cpu := r.Columns[0].Rows[0], r.Columns[1].Total
			if took.Outcome == Regressed && cpu.Outcome == Regressed {
				found++
			}
			if d := took.New.Mean/took.Base.Mean - 1 - took.Change.Relative; math.Abs(d) > 1e-9 {
				t.Errorf("means and change differ by %g", d)
			}
		}
		if t.Logf("%+v: %d", tt, found); found < tt.least || found > tt.most {
			t.Errorf("%.0f %% slower: found in %d of 5", 100*tt.all, found)
		}
	}
}

// Of seven pairs, too, the moments are compared that followed each other. Before them base ran alone, at some other speed of the host,
// which changes by a half within ten runs.
func TestFewTurns(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	found := 0
	const n = 60
	for range n {
		e, speed := experiment{runs: 11}, 0.5*rng.NormFloat64()
		for range 22 {
			speed = 0.9*speed + 0.22*rng.NormFloat64()
			e.speed = append(e.speed, math.Exp(speed))
		}
		sides := e.sides(rng)
		r, err := Compare(sides[older], sides[newer][4:], Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Columns[0].Rows[0].Outcome == Regressed || r.Columns[1].Total.Outcome == Regressed {
			found++
		}
	}
	if found > 4 {
		t.Errorf("%d of %d comparisons of the same program regressed", found, n)
	}
}

// The spread of runs is that of neighbours: neither the drift is in it nor an outlier.
func TestSpread(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 2))
	var x []float64
	for i := range 400 {
		x = append(x, math.Exp(float64(i)/100+0.05*rng.NormFloat64()))
	}
	x[7] *= 30
	if cv, df := Spread(x); cv < 0.045 || cv > 0.06 || df < 200 {
		t.Errorf("%g %g", cv, df)
	}
	if cv, df := Spread([]float64{9, 10, 11}); math.Abs(cv-0.1) > 1e-12 || df != 2 {
		t.Errorf("few: %g %g", cv, df)
	}
	if !slices.Equal([]int{trimming(9), trimming(10), trimming(14), trimming(15)}, []int{0, 2, 2, 3}) {
		t.Error("trimming")
	}
}

// An interval of ratios is Student's, on the scale of logarithms: of a normal sample it has the truth as often as its level says.
func TestInterval(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{6, 30} {
		held := 0
		const runs = 2000
		for range runs {
			ratios := make([]float64, n)
			for i := range ratios {
				ratios[i] = 1.02 * math.Exp(0.03*rnd.NormFloat64())
			}
			middle, low, high := Interval(ratios, 0.95)
			if !(low < middle && middle < high) {
				t.Fatalf("%v is not between %v and %v", middle, low, high)
			}
			if low < 1.02 && 1.02 < high {
				held++
			}
		}
		if share := float64(held) / runs; share < 0.93 || share > 0.975 {
			t.Errorf("%d ratios: %.3f of the intervals have the truth", n, share)
		}
	}
}
