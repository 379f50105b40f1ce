package diff

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Builds are of one layout where they took turns with each other, and with no others.
func TestLayouts(t *testing.T) {
	turns := func(n int) (all [][2]int) {
		for i := range n {
			all = append(all, [2]int{i, i})
		}
		return all
	}
	for _, tt := range []struct {
		name      string
		base, new []int
		turns     [][2]int
		want      int
	}{
		{"four of each", []int{0, 1, 2, 3, 0, 1, 2, 3}, []int{0, 1, 2, 3, 0, 1, 2, 3}, turns(8), 4},
		{"numbered as they came", []int{0, 1, 2, 3, 2, 3, 0, 1}, []int{0, 1, 2, 3, 2, 3, 0, 1}, turns(8), 4},
		{"one of base ran alone before", []int{0, 1, 2, 3, 0, 1, 2, 3, 0}, []int{0, 1, 2, 3, 0, 1, 2, 3}, turns(8), 4},
		{"each with any", []int{0, 1, 2, 3, 0, 1, 2, 3}, []int{0, 1, 2, 3, 1, 2, 3, 0}, turns(8), 0},
		{"three", []int{0, 1, 2, 0, 1, 2}, []int{0, 1, 2, 0, 1, 2}, turns(6), 0},
		{"one side has fewer", []int{0, 1, 2, 3, 0, 1, 2, 3}, []int{0, 1, 2, 0, 1, 2, 0, 1}, turns(8), 0},
		{"one has one", []int{0, 1, 2, 3, 0, 1, 2, 3}, nil, turns(8), 0},
		{"no turns", []int{0, 1, 2, 3, 0, 1, 2, 3}, []int{0, 1, 2, 3, 0, 1, 2, 3}, nil, 0},
	} {
		got := layouts(tt.turns, [2][]int{tt.base, tt.new})
		if len(got) != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		for i, l := range got {
			if len(l[older]) < 2 || len(l[newer]) < 2 || tt.base[l[older][0]] != i || tt.new[l[newer][0]] != tt.new[l[newer][1]] {
				t.Errorf("%s: %v", tt.name, got)
			}
		}
	}
}

// What a layout does to both sides alike is not in their difference, and is in what is known of each by itself.
func TestBetweenLayouts(t *testing.T) {
	u := table{layouts: []layout{{{0}, {0}}, {{1}, {1}}, {{2, 4}, {2}}, {{3}, {3}}}}
	for s, x := range [][]float64{{10, 20, 30, 40, 30}, {11, 21, 31, 41}} {
		for _, v := range x {
			u.side[s].rep = append(u.side[s].rep, repeat{x: []float64{v}, scale: 1})
		}
	}
	if v, df := u.between(0); v > 1e-20 || df != 3 {
		t.Errorf("variance %g, df %g", v, df)
	}
	u.side[newer].rep[3].x[0] = 45 // differences of 1, 1, 1, 5: a variance of 4, that of their mean is 1
	if v, _ := u.between(0); math.Abs(v*(1.0/5+1.0/4)-1) > 1e-9 {
		t.Errorf("variance %g", v)
	}
}

// Where an order of functions does the same to both sides, less is needed to find what is slower in all of them.
func TestLayoutsInCommon(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 4))
	const n = 20
	found := func(e experiment) (named, others int) {
		for range n {
			sides := e.sides(rng)
			r, err := Compare(sides[older], sides[newer], Options{})
			if err != nil {
				t.Fatal(err)
			}
			rows := r.Columns[1].Rows
			i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == fmt.Sprintf("main.f%d", planted) })
			if rows[i].Outcome == Regressed {
				named++
			}
			if slices.ContainsFunc(slices.Delete(rows, i, i+1), func(r Row) bool { return r.Outcome == Regressed }) {
				others++
			}
		}
		return named, others
	}
	apart, wrong := found(experiment{host: 0.1, runs: 32, layouts: 8, layout: 0.05, own: 0.13})
	common, alsoWrong := found(experiment{host: 0.1, runs: 32, layouts: 8, layout: 0.05, own: 0.13, alike: 0.9})
	if t.Logf("%d and %d of %d found", apart, common, n); common < n*8/10 || common < apart+n/10 || wrong > 3 || alsoWrong > 3 {
		t.Errorf("found %d without anything in common, %d with; other rows in %d and %d", apart, common, wrong, alsoWrong)
	}
}
