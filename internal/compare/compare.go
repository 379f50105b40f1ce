// Package compare says what a profile of mayfly's shows that the default profile of the same
// seconds does not. It is no advertisement: where the default profile is right, it says that.
//
// It sees profiles only. Default is what runtime/pprof gives at 100 Hz; where there is none,
// Decimate makes one of mayfly's own samples.
package compare

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/pprof/profile"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// CPU is a sum of CPU time and the number of samples that it rests on.
type CPU struct {
	NS      int64 `json:"ns"`
	Samples int64 `json:"samples"`
}

// Error is half of the 95 % interval that counting n independent samples has: 1.96 sqrt(n), in ns.
func (c CPU) Error() int64 {
	if c.Samples == 0 {
		return 0
	}
	return int64(1.96 * float64(c.NS) / math.Sqrt(float64(c.Samples)))
}

// String is "120ms ±21ms", or "never seen".
func (c CPU) String() string {
	switch {
	case c.NS == 0:
		return "never seen"
	case c.Samples == 0:
		return Round(c.NS).String()
	}
	return fmt.Sprintf("%s ±%s", Round(c.NS), Round(c.Error()))
}

// Round is ns in whole milliseconds.
func Round(ns int64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }

// Percent is a of b, 0 of nothing.
func Percent(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return 100 * float64(a) / float64(b)
}

// Labelled adds up the samples that have the label.
func Labelled(p *profile.Profile, key, value string) (c CPU) {
	return sum(p, func(s *profile.Sample) bool { return slices.Contains(s.Label[key], value) })
}

// Unlabelled adds up the samples to which the program gave no label; those of ours begin with go.
func Unlabelled(p *profile.Profile) (c CPU) {
	return sum(p, func(s *profile.Sample) bool {
		for key := range s.Label {
			if !strings.HasPrefix(key, "go.") {
				return false
			}
		}
		return true
	})
}

// Total adds up all samples.
func Total(p *profile.Profile) (c CPU) {
	return sum(p, func(*profile.Sample) bool { return true })
}

func sum(p *profile.Profile, of func(*profile.Sample) bool) (c CPU) {
	count, cpu := Column(p, sample.ColumnSamples), Column(p, sample.ColumnCPU)
	for _, s := range p.Sample {
		if of(s) {
			c.Samples += at(s, count)
			c.NS += at(s, cpu)
		}
	}
	return c
}

// Column is the index of a sample type, or -1. Times are those in ns.
func Column(p *profile.Profile, name string) int {
	return slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool {
		return t.Type == name && (name == sample.ColumnSamples || t.Unit == "nanoseconds")
	})
}

func at(s *profile.Sample, column int) int64 {
	if column < 0 {
		return 0
	}
	return s.Value[column]
}

// Values are the values that a label has in the profiles, sorted.
func Values(key string, profiles ...*profile.Profile) []string {
	seen := make(map[string]bool)
	for _, p := range profiles {
		for _, s := range p.Sample {
			for _, v := range s.Label[key] {
				seen[v] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// label is one that the program gave to samples.
type label struct{ key, value string }

func (l label) String() string { return diff.Clean(l.key + "=" + l.value) }

func (l label) compare(m label) int {
	return cmp.Or(strings.Compare(l.key, m.key), strings.Compare(l.value, m.value))
}

// labels yields the labels that the program gave to a sample, each once.
func labels(s *profile.Sample) iter.Seq[label] {
	return func(yield func(label) bool) {
		for key, values := range s.Label {
			if strings.HasPrefix(key, "go.") {
				continue
			}
			for i, v := range values {
				if !slices.Contains(values[:i], v) && !yield(label{key, v}) {
					return
				}
			}
		}
	}
}

// byLabel adds up the samples by label, all in one go: there may be as many labels as samples.
func byLabel(p *profile.Profile) map[label]CPU {
	count, cpu := Column(p, sample.ColumnSamples), Column(p, sample.ColumnCPU)
	sums := make(map[label]CPU)
	for _, s := range p.Sample {
		for l := range labels(s) {
			c := sums[l]
			sums[l] = CPU{c.NS + at(s, cpu), c.Samples + at(s, count)}
		}
	}
	return sums
}

// joined has the keys of both.
func joined[K comparable, V any](a, b map[K]V) map[K]V {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// waitingByLabel adds up the time in other states than running.
func waitingByLabel(p *profile.Profile) map[label]int64 {
	wall := Column(p, sample.ColumnWall)
	sums := make(map[label]int64)
	for _, s := range p.Sample {
		for _, state := range s.Label[sample.KeyState] {
			if state == "running" {
				continue
			}
			for l := range labels(s) {
				sums[l] += at(s, wall)
			}
		}
	}
	return sums
}

// Time is how long goroutines were in one state.
type Time struct {
	State string `json:"state"`
	NS    int64  `json:"ns"`
}

// States is the time of the goroutines with a label by state, the longest first, and its sum. A
// profile without states has none.
func States(p *profile.Profile, key, value string) (states []Time, all int64) {
	wall := Column(p, sample.ColumnWall)
	if wall < 0 {
		return nil, 0
	}
	sums := make(map[string]int64)
	for _, s := range p.Sample {
		if !slices.Contains(s.Label[key], value) {
			continue
		}
		for _, state := range s.Label[sample.KeyState] {
			sums[state] += s.Value[wall]
			all += s.Value[wall]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		states = append(states, Time{diff.Clean(name), sums[name]})
	}
	slices.SortStableFunc(states, func(a, b Time) int { return cmp.Compare(b.NS, a.NS) })
	return states, all
}

// DefaultRate is what runtime/pprof samples at, Hz.
const DefaultRate = 100

// Decimate makes a default profile of p's CPU samples: as many of them as 100 Hz would have taken, each
// with its weight. It has not the faults of the real one, only its size.
func Decimate(p *profile.Profile, seed uint64) *profile.Profile {
	rng := rand.New(rand.NewPCG(seed, DefaultRate))
	count, cpu := Column(p, sample.ColumnSamples), Column(p, sample.ColumnCPU)
	all := Total(p)
	keep := 1.0
	if all.Samples > 0 {
		keep = min(1, float64(DefaultRate)*float64(max(0, all.NS))/1e9/float64(all.Samples))
	}
	q := &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: sample.ColumnSamples, Unit: "count"}, {Type: sample.ColumnCPU, Unit: "nanoseconds"}},
		DefaultSampleType: sample.ColumnCPU, PeriodType: p.PeriodType, Period: int64(time.Second / DefaultRate), DurationNanos: p.DurationNanos,
		Mapping: p.Mapping, Location: p.Location, Function: p.Function,
	}
	for _, s := range p.Sample {
		n := at(s, count)
		if n <= 0 || cpu < 0 {
			continue
		}
		if k := thinned(n, keep, rng); k > 0 {
			q.Sample = append(q.Sample, &profile.Sample{Location: s.Location, Label: s.Label, NumLabel: s.NumLabel, Value: []int64{k, k * q.Period}})
		}
	}
	return q
}

// manySamples is more than a recording can have with one stack. Beyond it the logarithms of factorials by which
// distuv.Binomial accepts what it drew lose all their digits, and it never returns.
const manySamples = 1 << 32

// thinned is how many of n samples are kept if each one is with probability keep: drawn exactly, or of more samples than
// there can be the mean.
func thinned(n int64, keep float64, rng *rand.Rand) int64 {
	if n > manySamples {
		return int64(min(float64(n)*keep, math.MaxInt64/float64(time.Second)))
	}
	return int64(distuv.Binomial{N: float64(n), P: keep, Src: rng}.Rand())
}

// Functions is the CPU time by the innermost function that both profilers can see: kernel frames
// are mayfly's alone, and runtime/pprof charges them to the function that entered the kernel.
func Functions(p *profile.Profile) map[string]CPU {
	count, cpu := Column(p, sample.ColumnSamples), Column(p, sample.ColumnCPU)
	sums := make(map[string]CPU)
	for _, s := range p.Sample {
		n, ns := at(s, count), at(s, cpu)
		if n == 0 && ns == 0 {
			continue
		}
		name := leaf(s)
		c := sums[name]
		sums[name] = CPU{c.NS + ns, c.Samples + n}
	}
	return sums
}

// leaf is the innermost frame outside of the kernel and the vdso; of a sample that has none, but is not of the kernel alone, it
// is not known. runtime/pprof starts at the function that called the vdso's assembly stub.
func leaf(s *profile.Sample) string {
	name, stub := "[unknown]", false
	for _, l := range s.Location {
		lines := l.Line
		switch {
		case l.Mapping != nil && strings.HasPrefix(l.Mapping.File, "[kernel"):
			name = "[kernel]"
			continue
		case l.Mapping != nil && l.Mapping.File == "[vdso]":
			stub = true
			continue
		case stub && len(lines) > 0:
			lines, stub = lines[1:], false
		}
		for _, line := range lines {
			if line.Function != nil && line.Function.Name != "" {
				return diff.FuncName(line.Function.Name)
			}
		}
	}
	return name
}

// comment reads a number from a comment of mayfly's, 0 if there is none.
func comment(p *profile.Profile, key string) (n int64) {
	for _, c := range p.Comments {
		if k, v := sample.Comment(c); k == sample.CommentPrefix+key {
			f, err := strconv.ParseFloat(v, 64)
			if err == nil && f > 0 && f < 1e18 {
				n = int64(f)
			}
		}
	}
	return n
}
