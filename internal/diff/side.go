package diff

import (
	"fmt"
	"math"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func side(profiles []*Profile) Side {
	first := profiles[0].facts
	s := Side{Profiles: len(profiles), GoVersion: first.goVersion, BuildID: first.buildID, CPUModel: first.model}
	for _, p := range profiles {
		s.Seconds += p.Seconds
		s.Samples += p.samples
	}
	cpu := cpuTime(profiles)
	s.CPU, s.Work = cpu/1e9, describeWork(profiles)
	if cpu > 0 {
		s.Rate = math.Round(s.Samples / (cpu / 1e9))
	}
	return s
}

// cpuTime is the CPU time of a side's profiles, 0 if they have none.
func cpuTime(profiles []*Profile) (ns float64) {
	for _, p := range profiles {
		if c := p.column(sample.ColumnCPU); c != nil {
			ns += c.total
		}
	}
	return ns
}

// describeWork is what a side has done, for its title: "41000 operations", "5 runs".
func describeWork(profiles []*Profile) string {
	runs, ops := 0.0, 0.0
	for _, p := range profiles {
		runs += p.work.Runs
		for _, b := range p.work.Benchmarks {
			ops += b.Ops
		}
	}
	switch {
	case ops > 0:
		return fmt.Sprintf("%.0f operations", ops)
	case runs > 0:
		return plural(int(runs), "run")
	}
	return ""
}
