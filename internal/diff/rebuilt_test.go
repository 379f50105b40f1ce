package diff

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A build with a profile (-pgo) has the time of some functions in others. That is no regression, and a slower program is.
func TestRebuilt(t *testing.T) {
	const plain, guided = "CGO_ENABLED=1; GOAMD64=v1", "-pgo=default.pgo; CGO_ENABLED=1; GOAMD64=v1"
	for name, tt := range map[string]struct {
		before, after string
		moved, slower float64 // share of one function's time that is in another, and of all time more
		ops           float64
		want          Outcome
	}{
		"the same build":       {plain, plain, 0.3, 0, 1000, Regressed},
		"guided":               {plain, guided, 0.3, 0, 1000, Same},
		"guided and slower":    {plain, guided, 0.3, 0.3, 1000, Regressed},
		"no work to judge by":  {plain, guided, 0.3, 0, 0, Undecided},
		"guided on both sides": {guided, guided, 0.3, 0, 1000, Regressed},
	} {
		rng := rand.New(rand.NewPCG(3, 8))
		side := func(build string, moved, slower float64) (all []*Profile) {
			for range 6 {
				p := typical()
				p.wander = 0
				x := p.record(rng, 10, 999)
				x.facts.build, x.cols[0].blocks = build, nil
				scale(x.cols[0], 1+slower)
				move(x.cols[0], 0, 1, moved)
				if tt.ops == 0 {
					x.Seconds = 0 // of another tool
				}
				all = append(all, x)
			}
			return all
		}
		r, err := Compare(side(tt.before, 0, 0), side(tt.after, tt.moved, tt.slower), Options{Ops: tt.ops})
		if err != nil || r.Outcome != tt.want {
			t.Errorf("%s: %v: %s, want %s", name, err, r.Verdict(), tt.want)
		}
		said := slices.ContainsFunc(r.Differences, func(s string) bool { return strings.Contains(s, "only totals are judged") })
		if said != (tt.before != tt.after) {
			t.Errorf("%s: differences %q", name, r.Differences)
		}
	}
}

func scale(c *sums, by float64) {
	c.total *= by
	for i := range c.flat {
		c.flat[i] *= by
	}
}

// move puts a share of a row's time into another.
func move(c *sums, from, to int, share float64) {
	for _, col := range [][]float64{c.flat, c.n} {
		part := share * col[from]
		col[from], col[to] = col[from]-part, col[to]+part
	}
}

// Code with a detector in it is no version of the one without, and other settings are said.
func TestBuilds(t *testing.T) {
	for _, tt := range []struct{ before, after, reason, remark string }{
		{"GOAMD64=v1", "-race=true; GOAMD64=v1", "with -race, -asan or -msan on one side: none and -race=true", ""},
		{"GOAMD64=v1", "GOAMD64=v3", "", "of builds with other settings: GOAMD64=v1 and GOAMD64=v3"},
		{"GOAMD64=v1", "", "", ""}, // the profile does not say
	} {
		a, b := bench(1e6, 1e6), bench(1e6, 1e6)
		a.Comments, b.Comments = []string{"mayfly.build=" + tt.before}, []string{"mayfly.build=" + tt.after}
		r, err := Compare([]*Profile{Reduce(a, "a", Options{})}, []*Profile{Reduce(b, "b", Options{})}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		reasons, remarks := strings.Join(r.Reasons, "; "), strings.Join(r.Differences, "; ")
		if !strings.Contains(reasons, tt.reason) || (tt.reason == "") != (reasons == "") ||
			!strings.Contains(remarks, tt.remark) || (tt.remark == "") != (remarks == "") {
			t.Errorf("%q and %q: %q, %q", tt.before, tt.after, reasons, remarks)
		}
	}
}
