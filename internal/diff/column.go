package diff

import (
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// column is what is compared of the samples of a pprof profile.
type column struct {
	name  string
	value int     // of a sample's values
	worth float64 // ns of one, 1 where it is no time
	time  bool
	unit  string // of what Value*worth is
}

// columnsOf finds the sample types that are times, of any unit. A count of samples is believed for CPU time. Where there is no
// time, samples are it, each worth a period if that is a time (Parca's agent writes those). All else, bytes, objects or
// contentions, is compared as it is when the profile has no time at all, or when it is asked for by its name.
func columnsOf(p *profile.Profile, asked []string) []column {
	var times, plain []column
	for i, t := range p.SampleType {
		if ns := samples.Nanoseconds(t.Unit); ns > 0 {
			times = append(times, column{Clean(t.Type), i, float64(ns), true, "nanoseconds"})
		}
		plain = append(plain, column{Clean(t.Type), i, 1, false, t.Unit})
	}
	if len(times) > 0 {
		for _, c := range plain {
			isTime := slices.ContainsFunc(times, func(t column) bool { return t.value == c.value })
			if !isTime && slices.Contains(asked, c.name) {
				times = append(times, c)
			}
		}
		return times
	}
	if count, period := countOf(p), periodOf(p); count >= 0 && period >= shortestPeriod {
		return []column{{Clean(p.PeriodType.Type), count, period, true, "nanoseconds"}}
	}
	return plain
}

// shortestPeriod is that of what samples, in ns. Pyroscope's newer storage says 1 of all profiles.
const shortestPeriod = 1000

// periodOf is a profile's period in ns, 0 if that is no time.
func periodOf(p *profile.Profile) float64 {
	if p.PeriodType == nil {
		return 0
	}
	return float64(samples.Nanoseconds(p.PeriodType.Unit)) * float64(p.Period)
}

// countOf is which value of a sample is its count, -1 if none is.
func countOf(p *profile.Profile) int {
	for i, t := range slices.Backward(p.SampleType) {
		if t.Unit == "count" && (t.Type == sample.ColumnSamples || t.Type == "sample") {
			return i
		}
	}
	return -1
}

// InNanoseconds is p with its times in ns: p itself where they are, else a copy.
func InNanoseconds(p *profile.Profile) (*profile.Profile, error) {
	ratios, same := make([]float64, len(p.SampleType)), true
	for i, t := range p.SampleType {
		ratios[i] = 1
		if ns := samples.Nanoseconds(t.Unit); ns > 0 {
			ratios[i], same = float64(ns), same && ns == 1
		}
	}
	if same {
		return p, nil
	}
	p = p.Copy()
	for i, t := range p.SampleType {
		if samples.Nanoseconds(t.Unit) > 0 {
			p.SampleType[i] = &profile.ValueType{Type: t.Type, Unit: "nanoseconds"}
		}
	}
	return p, p.ScaleN(ratios)
}
