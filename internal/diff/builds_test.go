package diff

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRunsOfBuilds(t *testing.T) {
	of := func(ids ...string) (all []*Profile) {
		for _, id := range ids {
			all = append(all, &Profile{facts: facts{buildID: id}})
		}
		return all
	}
	for _, tt := range []struct {
		ids  []string
		want []int
	}{
		{[]string{"a", "b", "a", "c"}, []int{0, 1, 0, 2}},
		{[]string{"a", "a", "a"}, nil}, // nothing says what another layout would do
		{[]string{"a", "b", "c"}, nil},
		{[]string{"a", "", "a"}, nil},
	} {
		if got := builds(of(tt.ids...)); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v", tt.ids, got)
		}
	}
	sides := [2][]*Profile{of("a", "b", "a", "b"), of("x", "x", "x", "x")}
	if got := buildsOfPairs([][2]int{{0, 0}, {1, 1}, {2, 2}, {3, 3}}, sides); !slices.Equal(got, []int{0, 1, 0, 1}) {
		t.Errorf("pairs: %v", got)
	}
}

// The runs of a build count once: four of two builds that differ are two observations, whose mean has the variance of two.
func TestMeanOfBuilds(t *testing.T) {
	h := half{builds: []int{0, 0, 1, 1}}
	for _, v := range []float64{10, 10, 14, 14} {
		h.rep = append(h.rep, repeat{x: []float64{v}, scale: 1})
	}
	mean, variance := h.mean(0)
	if mean != 12 || variance/4 != 4 || h.df() != 1 { // that of the mean of 10 and 14: 8/2
		t.Errorf("mean %g, variance of the mean %g, df %g", mean, variance/4, h.df())
	}
}

// Builds of one program whose functions are elsewhere in memory differ by 5 %, and their runs by the host besides. That is no change of
// the program, however often each of them is run; and a program that is 10 % slower in all its builds is found.
func TestLayoutIsNoChange(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	const n = 20
	for _, tt := range []struct {
		e           experiment
		least, most int
	}{
		{experiment{host: 0.05, runs: 32, layouts: 4, layout: 0.05}, 0, 2},
		{experiment{host: 0.05, runs: 32, layouts: 16, layout: 0.05}, 0, 3},
		{experiment{host: 0.05, runs: 32, layouts: 16, layout: 0.03, all: 0.1}, n - 1, n},
	} {
		found := 0
		for range n {
			sides := tt.e.sides(rng)
			r, err := Compare(sides[older], sides[newer], Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Outcome == Regressed {
				found++
			}
		}
		if t.Logf("%+v: %d of %d regressed", tt.e, found, n); found < tt.least || found > tt.most {
			t.Errorf("%+v: %d of %d regressed, want %d to %d", tt.e, found, n, tt.least, tt.most)
		}
	}
}
