package diff

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// renamedSides are audited programs; on each side functions have the names that names has for them.
func renamedSides(t *testing.T, rng *rand.Rand, slow float64, names [2]map[string]string) *Result {
	t.Helper()
	var all [2][]*profile.Profile
	for i := range 8 {
		s := i % 2
		p := audited(rng, slow*float64(s))
		for _, f := range p.Function {
			f.Filename = map[bool]string{true: "/src/main.go", false: "/src/x.go"}[strings.HasPrefix(f.Name, "main.")]
			if name := names[s][f.Name]; name != "" {
				f.Name = name
			}
		}
		all[s] = append(all[s], p)
	}
	load := func(o Options) (sides [2][]*Profile) {
		for s := range all {
			for _, p := range all[s] {
				sides[s] = append(sides[s], Reduce(p, "p", o))
			}
		}
		return sides
	}
	sides := load(Options{})
	r, err := Compare(sides[older], sides[newer], Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Explain(func(within []string, folded map[string]string) ([]*Profile, []*Profile, error) {
		again := load(Options{Within: within, Folded: folded})
		return again[older], again[newer], nil
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// Functions with other names are the same functions: no regression, and one that is slower, too, is found under its new name.
func TestRenamed(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	names := [2]map[string]string{newer: {"main.audit": "main.check", "lib.example/x.helper3": "lib.example/x.Three",
		"main.work2": "main.job"}}
	alarms := 0
	for range 30 {
		r := renamedSides(t, rng, 0, names)
		if r.Outcome == Regressed {
			alarms++
		}
		for _, row := range r.Columns[0].Rows {
			if row.Base.Mean == 0 || row.New.Mean == 0 {
				t.Errorf("%s is new or gone", row.Name)
			}
		}
	}
	if alarms > 3 {
		t.Errorf("%d of 30 programs with other names regressed", alarms)
	}
	r := renamedSides(t, rng, 0.4, names)
	c := r.Columns[0].Callers
	i := slices.IndexFunc(c, func(f Caller) bool { return f.Name == "main.check" })
	if i < 0 || c[i].Outcome != Regressed || c[i].Change.Relative < 0.2 || c[i].Change.Relative > 0.6 {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(strings.Join(r.Notes, " "), "main.audit is check") {
		t.Errorf("%q", r.Notes)
	}
}

// A function of another file, or one that takes three times as long, is another function.
func TestNotRenamed(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 9))
	for slow, names := range map[float64]map[string]string{0: {"main.audit": "lib.example/x.check"}, 3: {"main.audit": "main.check"}} {
		r := renamedSides(t, rng, slow, [2]map[string]string{newer: names})
		if r.Outcome != Regressed || strings.Contains(strings.Join(r.Notes, " "), "renamed") {
			t.Errorf("%v: %s %q", names, r.Verdict(), r.Notes)
		}
	}
}

// What is below a function that changed is told by rows, too: a closure that was inlined elsewhere is no leaf that is new.
func TestLeavesByRow(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 9))
	names := [2]map[string]string{older: {"lib.example/x.helper3": "lib.example/x.(*T).f.func1"},
		newer: {"lib.example/x.helper3": "lib.example/x.step.(*T).f.func1"}}
	c := renamedSides(t, rng, 0.4, names).Columns[0].Callers
	i := slices.IndexFunc(c, func(f Caller) bool { return f.Name == "main.audit" })
	if i < 0 || len(c[i].Leaves) > 0 {
		t.Errorf("%+v", c)
	}
}

// Functions that are rows of their own are not counted below each other.
func TestWithinByRow(t *testing.T) {
	names := []string{"example.com/m.(*T).f.func"}
	inlined := "example.com/m.step.(*T).f.func"
	if i := newWithin(names, nil).number(inlined); i != -1 {
		t.Errorf("%s is %s", inlined, names[i])
	}
	if i := newWithin(names, map[string]string{inlined: names[0]}).number(inlined); i != 0 {
		t.Errorf("%s is not %s: %d", inlined, names[0], i)
	}
}

// A closure is called by the function into which its own was inlined. Where some of its calls are inlined and some are not, as
// with a profile (-pgo), it has both names on one side; it is no new function for that.
func TestInlinedElsewhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 9))
	side := func(both bool) (all []*Profile) {
		for range 5 {
			x := typical().record(rng, 10, 999)
			c := x.cols[0]
			c.blocks = nil
			x.rows[1], x.rows[2] = "example.com/m.step.(*T).f.func", "example.com/m.(*T).f.func"
			if !both {
				x.rows[2] = "example.com/m.other"
				c.flat[1], c.flat[2] = c.flat[1]+c.flat[2], 0
				c.n[1], c.n[2] = c.n[1]+c.n[2], 0
			}
			all = append(all, x)
		}
		return all
	}
	r, err := Compare(side(false), side(true), Options{})
	if err != nil || r.Outcome == Regressed {
		t.Errorf("%v: %s", err, r.Verdict())
	}
}
