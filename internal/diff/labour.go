package diff

import "math"

// labour is the work that all profiles know, or nil.
type labour struct {
	unit  string
	names []string           // of benchmarks that all profiles have, sorted
	ops   map[string]float64 // of the base side's mean profile
	some  map[string]bool    // functions that have benchmarks which some profile does not have
	per   float64            // what times are divided by: operations, or the base side's seconds
}

// factors are by what the time of each group of a profile is multiplied to be that of the base side's operations; NaN
// leaves a group out.
func (l *labour) factors(p *Profile) (by []float64) {
	by = []float64{0}
	var all, needed float64
	for function, names := range p.work.Groups() {
		took, wants := 0.0, 0.0 // seconds, for what was done and for what the base side did
		complete := !l.some[function]
		for _, name := range names {
			b := p.work.Benchmarks[name]
			took += b.Ops * b.Mean()
			wants += l.ops[name] * b.Mean()
			complete = complete && l.ops[name] > 0
		}
		if !complete || took <= 0 {
			by = append(by, math.NaN())
			continue
		}
		by = append(by, wants/took)
		all, needed = all+took, needed+wants
	}
	by[0] = needed / max(all, 1e-9)
	return by
}

// observations are what one profile says of each row. Of the only profile of a side each line of results is one.
func (l *labour) observations(p *Profile, single bool) []repeat {
	if l.unit == unitRun {
		return []repeat{{x: []float64{float64(p.work.Wall) / p.work.Runs, float64(p.work.CPU) / p.work.Runs}, total: 1, per: 1}}
	}
	n := 1
	if single {
		n = math.MaxInt
		for _, name := range l.names {
			n = min(n, len(p.work.Benchmarks[name].Seconds))
		}
	}
	reps := make([]repeat, n)
	for i := range reps {
		reps[i] = repeat{x: make([]float64, len(l.names)), total: 1, per: 1}
		for k, name := range l.names {
			b := p.work.Benchmarks[name]
			if reps[i].x[k] = 1e9 * b.Mean(); n > 1 {
				reps[i].x[k] = 1e9 * b.Seconds[i]
			}
		}
	}
	return reps
}

// Columns of what is known of the work itself.
const (
	TimeColumn    = "time"     // of an operation, or of a run
	CPUTimeColumn = "CPU time" // of an operation of each of several benchmarks
	DuetColumn    = "CPU time side by side"
)

// Rows of the times of runs.
const (
	wallRow    = "wall time"
	cpuRowName = "CPU time"
)
