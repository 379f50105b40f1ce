package profiler_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"gonum.org/v1/gonum/stat/distuv"
)

// Two profiles of one run are samples of the same shares. Each leaves an interval for a share, which is exact however few its samples are
// (Clopper and Pearson, Biometrika 1934), and wide enough for all shares together: of 10,000 comparisons one has a share outside by chance.
// What lies apart by more than the two profiles differ by nature is a disagreement.

const (
	byChance = 1e-4
	byNature = 0.01 // where a window cuts a round, and time in the kernel, which is the caller's for the one and has frames for the other
)

// pair is what a profile says directly: who was on the CPU, called by whom.
type pair struct{ leaf, caller string }

// shares are the shares of pairs among n samples.
type shares struct {
	of map[pair]float64
	n  int64
}

// pairs are those of a profile, by the CPU time in a column.
func pairs(p *profile.Profile, column int) shares {
	all := shares{of: make(map[pair]float64)}
	var total float64
	for _, s := range p.Sample {
		names := interrupted(frames(s))
		if len(names) < 2 {
			continue
		}
		all.of[pair{names[0], names[1]}] += float64(s.Value[column])
		total += float64(s.Value[column])
		all.n += s.Value[0]
	}
	for k := range all.of {
		all.of[k] /= total
	}
	return all
}

// interrupted is a stack without the function that the runtime has a goroutine call to preempt it. That takes no time, and has samples
// by runtime/pprof all the same: where a thread that lost its CPU gets one, both signals wait for it, SIGPROF since it last ran and
// SIGURG since the runtime found it running for too long. The kernel delivers that of the lower number first, whose handler sets the call
// up, and SIGPROF comes at its first instruction: on a busy machine in 3 % of all samples.
func interrupted(names []string) []string {
	if len(names) > 0 && names[0] == "runtime.asyncPreempt" {
		return names[1:]
	}
	return names
}

// interval is where a share lies of which a part of n samples is known, but for chance: below its lower end so many samples, or more,
// would come by chance, above its upper end so few.
func interval(part float64, n int64, chance float64) (lo, hi float64) {
	x, hi := part*float64(n), 1
	if x > 0 {
		lo = solve(func(p float64) bool { return distuv.Beta{Alpha: x, Beta: float64(n) - x + 1}.CDF(p) < chance/2 })
	}
	if x < float64(n) {
		hi = solve(func(p float64) bool { return distuv.Beta{Alpha: x + 1, Beta: float64(n) - x}.Survival(p) > chance/2 })
	}
	return lo, hi
}

// solve is where below stops to be true between 0 and 1; distuv's own Quantile is wrong for small chances.
func solve(below func(float64) bool) float64 {
	lo, hi := 0.0, 1.0
	for range 40 {
		if mid := (lo + hi) / 2; below(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// disagreements are the pairs whose shares are further apart than nature and chance have it.
func disagreements(here, there shares, nature float64) (list []string) {
	all := make(map[pair]bool)
	for _, s := range []shares{here, there} {
		for k := range s.of {
			all[k] = true
		}
	}
	for k := range all {
		chance := byChance / float64(2*len(all))
		lo, hi := interval(here.of[k], here.n, chance)
		low, high := interval(there.of[k], there.n, chance)
		if lo > high+nature || low > hi+nature {
			list = append(list, fmt.Sprintf("%s < %s: %.2f %% of %d samples here, so %.2f to %.2f %%; %.2f %% of %d there, so %.2f to %.2f %%",
				k.leaf, k.caller, 100*here.of[k], here.n, 100*lo, 100*hi, 100*there.of[k], there.n, 100*low, 100*high))
		}
	}
	slices.Sort(list)
	return list
}

// agree holds the shares of (leaf, caller) in two CPU profiles of one run against each other.
func agree(t *testing.T, here, there *profile.Profile) {
	t.Helper()
	ours, theirs := pairs(here, 1), pairs(there, 1)
	for _, d := range disagreements(ours, theirs, byNature) {
		t.Error(d)
	}
	t.Logf("%d and %d pairs, %d and %d samples", len(ours.of), len(theirs.of), ours.n, theirs.n)
}

// drawn are samples of pairs of which the i-th has a share of about 1/i.
func drawn(rng *rand.Rand, n int) shares {
	s := shares{make(map[pair]float64), int64(n)}
	for range n {
		i := 1
		for u := rng.Float64() * 4.5; u > 1/float64(i) && i < 60; i++ { // 4.5 is the sum of 1/i to 50
			u -= 1 / float64(i)
		}
		s.of[pair{fmt.Sprint(i), "main.f"}] += 1 / float64(n)
	}
	return s
}

// TestDisagreements draws profiles by chance: those of the same shares agree, with no allowance, whether samples are few or many, and a
// pair that has lost its caller is found among 300.
func TestDisagreements(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		here := drawn(rng, 1+rng.IntN(5000))
		there := drawn(rng, 1+rng.IntN(500))
		if d := disagreements(here, there, 0); len(d) > 0 {
			t.Error(d)
		}
		here, there = drawn(rng, 3000), drawn(rng, 300)
		lost := pair{"1", "main.f"}
		here.of[pair{"1", "main.main"}] = here.of[lost]
		delete(here.of, lost)
		if d := disagreements(here, there, byNature); len(d) != 2 {
			t.Errorf("a caller that is lost: %q", d)
		}
	}
}

// A sample of runtime/pprof that came with a preemption is one of what was preempted.
func TestPreemptedSamples(t *testing.T) {
	of := func(samples map[string]int64) *profile.Profile {
		p := new(profile.Profile)
		for stack, n := range samples {
			s := &profile.Sample{Value: []int64{n, n * 1e7}}
			for name := range strings.FieldsSeq(stack) {
				s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}})
			}
			p.Sample = append(p.Sample, s)
		}
		return p
	}
	here := of(map[string]int64{"main.mix main.a main.main": 3000, "main.mix main.b main.main": 2000})
	agree(t, here, of(map[string]int64{"main.mix main.a main.main": 180, "main.mix main.b main.main": 120,
		"runtime.asyncPreempt main.mix main.a main.main": 15}))
	apart := of(map[string]int64{"main.mix main.a main.main": 180, "main.mix main.b main.main": 60, "runtime.asyncPreempt2 main.mix": 60})
	if d := disagreements(pairs(here, 1), pairs(apart, 1), byNature); len(d) != 2 {
		t.Errorf("%q", d)
	}
}
