package diff

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/work"
)

// experiment is one on a host that others use: runs of two versions of a benchmark in turns.
type experiment struct {
	own, all float64   // by how much the planted function is slower, and by how much everything is besides
	host     float64   // relative standard deviation of the host's speed between runs
	speed    []float64 // else by what each run takes longer
	runs     int       // of each side
	layouts  int       // builds of each side, 0: one
	layout   float64   // relative standard deviation of what an operation takes, and of each function, between them
	alike    float64   // the part of its variance that both sides have in common
	seed     uint64    // of that part
	single   bool      // it keeps one CPU busy, and not four
}

// build is one build of a side.
type build struct {
	id     string
	shares []float64
	perOp  float64 // by what an operation takes longer
}

// builds are those of a side. What an order of functions does to each is the same on both sides, but for a part.
func (e experiment) builds(rng *rand.Rand, side int) (all []build) {
	own, both := math.Sqrt(1-e.alike), math.Sqrt(e.alike)
	for i := range max(1, e.layouts) {
		order := rand.New(rand.NewPCG(e.seed, uint64(i)))
		draw := func() float64 { return math.Exp(e.layout * (both*order.NormFloat64() + own*rng.NormFloat64())) }
		b := build{fmt.Sprint(side, i), typical().shares, draw()}
		for k := range b.shares {
			b.shares[k] *= draw()
		}
		all = append(all, b)
	}
	return all
}

func (e experiment) sides(rng *rand.Rand) (sides [2][]*Profile) {
	e.seed = rng.Uint64()
	all := [2][]build{e.builds(rng, older), e.builds(rng, newer)}
	for i := range 2 * e.runs {
		side := (i + i/2) % 2 // base new, new base
		b := all[side][i/2%len(all[side])]
		p, perOp := typical(), 1e-3*math.Exp(e.host*rng.NormFloat64())
		if e.speed != nil {
			perOp *= e.speed[i]
		}
		p.shares, perOp = b.shares, perOp*b.perOp
		if e.single {
			p.cpus = 1
		}
		clear(p.bursts) // of one in four runs: what that is worth, few runs do not tell
		if side == newer {
			p.slowdown = e.own
			perOp *= (1 + e.all) * (1 + p.shares[planted]*e.own)
		}
		x := p.record(rng, slot, 4000)
		x.work.Benchmarks = map[string]work.Benchmark{"BenchmarkX-4": {Ops: slot / perOp, Seconds: []float64{perOp}}}
		x.cols[0].blocks, x.begun = nil, int64(i+1)
		x.facts.buildID = b.id
		for row, v := range x.cols[0].flat {
			x.cols[0].addGroup(1, int32(row), nil, v)
		}
		sides[side] = append(sides[side], x)
	}
	return sides
}

// found counts in how many of n experiments the planted function regressed, and in how many another one did.
func (e experiment) found(t *testing.T, n int) (named, others int) {
	rng := rand.New(rand.NewPCG(17, 1))
	for range n {
		sides := e.sides(rng)
		r, err := Compare(sides[older], sides[newer], Options{})
		if err != nil {
			t.Fatal(err)
		}
		other := false
		for _, row := range r.Columns[1].Rows {
			switch {
			case row.Outcome != Regressed:
			case row.Name == fmt.Sprintf("main.f%d", planted):
				named++
			default:
				other = true
			}
		}
		if other {
			others++
		}
	}
	return named, others
}

// On a host whose speed changes by 40 % between runs a function of 5 % of the CPU that is slower by as much is found against the rest of
// its runs, and no other. None is where nothing changed, and a function is not slower where all others are faster.
func TestAgainstRest(t *testing.T) {
	named, others := experiment{own: 0.4, host: 0.4, runs: 8}.found(t, 10)
	if t.Logf("slower: %d, others %d", named, others); named < 9 || others > 1 {
		t.Errorf("slower function: found in %d of 10 experiments, others in %d", named, others)
	}
	named, others = experiment{host: 0.4, runs: 8}.found(t, 20)
	if t.Logf("same: %d, others %d", named, others); named+others > 1 {
		t.Errorf("unchanged program: functions regressed in %d of 20 experiments", named+others)
	}
	named, _ = experiment{own: 0.5, all: 1/1.5 - 1, host: 0.05, runs: 8}.found(t, 10)
	if t.Logf("others faster: %d", named); named > 0 {
		t.Errorf("all but one faster: that one regressed in %d of 10 experiments", named)
	}
}

// What is found against the rest only is said to be that, with its own change and p.
func TestRestIsSaid(t *testing.T) {
	c := Column{Name: "cpu", Unit: unitOp}
	row := Row{Name: "main.f", Base: Estimate{Mean: 1}, New: Estimate{Mean: 1}, Change: Change{Relative: 0.07, Adjusted: 0.6}, Outcome: Same}
	row.add(Row{Change: Change{Relative: 0.1, Adjusted: 0.01}, Outcome: Regressed}, 0.1)
	r := &Result{Base: Side{Profiles: 3}, New: Side{Profiles: 3}}
	if got, want := c.finding(row), "main.f +10.0% cpu against the rest of the run"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := row.change()+" "+r.evidence(Column{}, row), "+10.0% against the rest of the run (p=0.010 n=3)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, tt := range []struct {
		own, margin float64
		want        Outcome
	}{{0.04, 0.05, Same}, {0.04, 0.07, Regressed}, {0.06, 0.03, Regressed}, {-0.01, 0.05, Same}} {
		row := Row{Change: Change{Relative: tt.own}, Outcome: Same}
		if row.add(Row{Change: Change{Relative: 0.1}, Outcome: Regressed}, tt.margin); row.Outcome != tt.want || row.Rest == nil {
			t.Errorf("%+v: %+v", tt, row)
		}
	}
}
