package fold

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Samples say where a label set's CPU time went, and how much it was within what chance leaves open. Where it was counted
// besides, the samples of each set share what was counted.

// Counted is the CPU time of a label set, or of the probes that counted.
type Counted struct {
	Labels []sample.Label
	CPU    int64 // ns
	Probes bool
}

// frameProbes is the frame of the probes' time.
const frameProbes = "[probes]"

var errOther = errors.New("labels lost their values to the memory limit")

// Exactly makes the CPU time of each label set what was counted for it, in place. What is missing, ns, nobody has counted: the
// samples have it by their weights. It returns the CPU time of the profile.
func Exactly(p *profile.Profile, counted []Counted, missing int64) (int64, error) {
	e := exactly{profile: p, sets: make(map[string]*countedSet), bench: true}
	for i := range counted {
		for _, l := range counted[i].Labels {
			e.bench = e.bench && l.Key != benchmarkLabel
		}
	}
	for _, s := range p.Sample {
		if err := e.take(s); err != nil {
			return 0, err
		}
	}
	for i := range counted {
		e.count(&counted[i])
	}
	for _, key := range slices.Sorted(maps.Keys(e.sets)) {
		set := e.sets[key]
		if e.sampled > 0 {
			set.cpu += int64(float64(missing) * float64(set.sampled) / float64(e.sampled))
		}
		e.scale(set)
	}
	e.add(frameProbes, nil, e.probes)
	slices.SortStableFunc(p.Sample, compareSamples)
	return e.total, nil
}

type exactly struct {
	profile  *profile.Profile
	sets     map[string]*countedSet
	bench    bool // the label benchmark is ours
	sampled  int64
	probes   int64
	total    int64
	location map[string]*profile.Location
}

// countedSet is the samples on a CPU of one label set, and what was counted for it.
type countedSet struct {
	samples []*profile.Sample
	sampled int64
	cpu     int64
	labels  map[string][]string
}

func (e *exactly) of(labels map[string][]string) *countedSet {
	own := make(map[string][]string, len(labels))
	for key, values := range labels {
		if !strings.HasPrefix(key, sample.OwnPrefix) && !(e.bench && key == benchmarkLabel) {
			own[key] = values
		}
	}
	key := labelsKey(own)
	if e.sets[key] == nil {
		e.sets[key] = &countedSet{labels: own}
	}
	return e.sets[key]
}

func (e *exactly) take(s *profile.Sample) error {
	cpu := s.Value[columnCPU]
	if cpu == 0 {
		return nil
	}
	for key, values := range s.Label {
		if slices.Contains(values, sample.OtherValue) && !strings.HasPrefix(key, sample.OwnPrefix) {
			return errOther
		}
	}
	set := e.of(s.Label)
	set.samples = append(set.samples, s)
	set.sampled += cpu
	e.sampled += cpu
	return nil
}

func (e *exactly) count(c *Counted) {
	if c.Probes {
		e.probes += c.CPU
		return
	}
	labels := make(map[string][]string, len(c.Labels))
	for _, l := range c.Labels {
		labels[userKey(l.Key)] = []string{l.Value}
	}
	e.of(labels).cpu += c.CPU
}

// scale gives each sample of a set its part of what was counted. What is left by rounding is the first one's.
func (e *exactly) scale(set *countedSet) {
	if set.sampled == 0 {
		e.add(frameRunning, set.labels, set.cpu)
		return
	}
	left := max(set.cpu, 0)
	factor := float64(left) / float64(set.sampled)
	for _, s := range set.samples {
		ns := min(int64(factor*float64(s.Value[columnCPU])), left)
		left -= ns
		e.set(s, ns)
	}
	e.set(set.samples[0], set.samples[0].Value[columnCPU]+left)
	e.total += max(set.cpu, 0)
}

func (e *exactly) set(s *profile.Sample, cpu int64) {
	if len(s.Value) > columnWall {
		s.Value[columnWall] += cpu - s.Value[columnCPU]
	}
	s.Value[columnCPU] = cpu
}

// add adds a sample of CPU time without a stack.
func (e *exactly) add(frame string, labels map[string][]string, cpu int64) {
	if cpu <= 0 {
		return
	}
	if e.location[frame] == nil {
		if e.location == nil {
			e.location = make(map[string]*profile.Location)
		}
		e.location[frame] = synthetic(e.profile, frame)
	}
	s := &profile.Sample{Location: []*profile.Location{e.location[frame]}, Label: maps.Clone(labels),
		Value: make([]int64, len(e.profile.SampleType))}
	e.set(s, cpu)
	if len(s.Value) > columnWall {
		if s.Label == nil {
			s.Label = make(map[string][]string)
		}
		s.Label[sample.KeyState] = []string{string(sample.Running)}
	}
	e.profile.Sample = append(e.profile.Sample, s)
	e.total += cpu
}
