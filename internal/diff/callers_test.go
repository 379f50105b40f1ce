package diff

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// audited is a recording of a program whose time is in helpers that several functions call, main.audit among them. Its
// own time and that of its helpers below it are more by slow.
func audited(rng *rand.Rand, slow float64) *profile.Profile {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		DurationNanos: 10e9}
	at := make(map[string]*profile.Location)
	loc := func(name string) *profile.Location {
		if at[name] == nil {
			f := &profile.Function{ID: uint64(len(at) + 1), Name: name}
			at[name] = &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
			p.Function, p.Location = append(p.Function, f), append(p.Location, at[name])
		}
		return at[name]
	}
	add := func(samples float64, stack ...string) { // leaf first
		n := int64(poisson(rng, samples))
		s := &profile.Sample{Value: []int64{n, n * 1e6}}
		for _, name := range stack {
			s.Location = append(s.Location, loc(name))
		}
		p.Sample = append(p.Sample, s)
	}
	const all = 20_000
	for h := range 20 {
		helper := fmt.Sprintf("lib.example/x.helper%d", h)
		add(all*0.10/20*(1+slow), helper, "main.audit", "main.handle", "main.main")
		for c := range 9 {
			add(all*0.10/20, helper, fmt.Sprintf("main.work%d", c), "main.handle", "main.main")
		}
	}
	return p
}

func auditedSides(t *testing.T, rng *rand.Rand, slow float64) *Result {
	var all [2][]*profile.Profile
	for range 4 {
		all[older], all[newer] = append(all[older], audited(rng, 0)), append(all[newer], audited(rng, slow))
	}
	load := func(within []string) (sides [2][]*Profile) {
		for s := range all {
			for i, p := range all[s] {
				sides[s] = append(sides[s], Reduce(p, fmt.Sprint(i), Options{Within: within}))
			}
		}
		return sides
	}
	sides := load(nil)
	r, err := Compare(sides[older], sides[newer], Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = r.Explain(func(within []string, _ map[string]string) ([]*Profile, []*Profile, error) {
		again := load(within)
		return again[older], again[newer], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A function that is slower by 40 %, of 10 % of the time, by way of twenty helpers that others call as well, is found and named;
// its callers are not, and unchanged programs do not regress by their callers.
func TestCallers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	const n = 40
	found, named, wrong := 0, 0, 0
	for range n {
		r := auditedSides(t, rng, 0.4)
		if r.Outcome == Regressed {
			found++
		}
		c := r.Columns[0].Callers
		i := slices.IndexFunc(c, func(f Caller) bool { return f.Name == "main.audit" && f.Outcome == Regressed })
		if i >= 0 {
			named++
		}
		for _, f := range c {
			if f.Name != "main.audit" && f.Outcome == Regressed && !strings.Contains(f.Name, "helper") {
				wrong++
			}
		}
	}
	t.Logf("regressed in %d of %d, main.audit named in %d, others in %d", found, n, named, wrong)
	if found < n || named < n || wrong > 2 {
		t.Error("main.audit is to be named, and nobody else")
	}
	alarms := 0
	for range 100 {
		if auditedSides(t, rng, 0).Outcome == Regressed {
			alarms++
		}
	}
	if t.Logf("unchanged: %d of 100 regressed", alarms); alarms > 5 {
		t.Errorf("%d of 100 unchanged programs regressed", alarms)
	}
}

// Of a chain the lowest is named, unless what it calls is as fast as before for others: then it calls it more.
func TestExplained(t *testing.T) {
	sums := func(w *within, by map[string]float64) {
		for stack, v := range by {
			var numbers []int
			for _, name := range strings.Split(stack, " ") {
				numbers = append(numbers, w.number(name))
			}
			w.add(0, numbers, strings.Split(stack, " ")[0], v)
		}
	}
	names := []string{"handle", "audit", "hash"}
	for _, tt := range []struct {
		name     string
		old, new map[string]float64 // ns by stack, leaf first
		above    map[string]string  // who explains whom
	}{
		{"hash is slower for all", map[string]float64{"hash audit handle": 10, "hash other": 10, "audit handle": 10},
			map[string]float64{"hash audit handle": 20, "hash other": 20, "audit handle": 10},
			map[string]string{"handle": "audit", "audit": "hash"}},
		{"audit calls it more", map[string]float64{"hash audit handle": 10, "hash other": 10, "audit handle": 10},
			map[string]float64{"hash audit handle": 20, "hash other": 10, "audit handle": 10},
			map[string]string{"handle": "audit"}},
		{"audit itself", map[string]float64{"hash audit handle": 10, "audit handle": 10},
			map[string]float64{"hash audit handle": 10, "audit handle": 20},
			map[string]string{"handle": "audit"}},
	} {
		x := &explanation{names: names, index: newWithin(names, nil).index}
		for s, by := range []map[string]float64{tt.old, tt.new} {
			w := newWithin(names, nil)
			sums(w, by)
			x.pairs[s] = make(map[[2]int]float64)
			for k, v := range w.pairs {
				x.pairs[s][[2]int{k.of, k.below}] = v
			}
		}
		for f, name := range names {
			all := x.total(f)
			got, ok := x.explained(Row{Name: name, Change: Change{Abs: all[newer] - all[older]}})
			if want := tt.above[name]; got != want && (all[newer] != all[older] || ok) {
				t.Errorf("%s: %s is explained by %q, want %q", tt.name, name, got, want)
			}
		}
	}
}
