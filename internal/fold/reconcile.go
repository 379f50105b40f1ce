package fold

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Without the scheduler's tracepoints nobody says whether the thread of a goroutine had a CPU. The
// goroutine table knows for how long a goroutine had a thread ("running") or was in a system call;
// an on-CPU source knows for how long it had a CPU. Added up, that time would count twice or, on a
// machine with too few CPUs, be missing. So the table's [running] is only used to balance: for each
// set of labels
//
//	running by the table > CPU time   the rest had a thread and no CPU: preempted
//	running by the table < CPU time   the rest was on a CPU in system calls: taken off them, and
//	                                  what is more than they have is noise: taken off all else
//
// and the states of a set add up to the wall time that the table saw.

// Frames of samples without a stack.
const (
	frameRunning  = "[running]"  // on a CPU, seen by the goroutine table, which cannot see where
	frameUnwalked = "[unwalked]" // no stack could be read
)

// Reconcile replaces the [running] samples of a wall profile, in place.
func Reconcile(p *profile.Profile) {
	sets := make(map[string]*balance)
	kept := p.Sample[:0]
	for _, s := range p.Sample {
		b := sets[setKey(s)]
		if b == nil {
			b = &balance{like: s}
			sets[setKey(s)] = b
		}
		if b.take(s) {
			kept = append(kept, s)
		}
	}
	p.Sample = kept
	var unwalked *profile.Location
	for _, key := range slices.Sorted(maps.Keys(sets)) {
		b := sets[key]
		if left := b.running - b.cpu; left > 0 {
			if unwalked == nil {
				unwalked = synthetic(p, frameUnwalked)
			}
			p.Sample = append(p.Sample, b.preempted(left, unwalked))
		} else {
			takeOff(b.others, takeOff(b.calls, -left))
		}
	}
	slices.SortStableFunc(p.Sample, compareSamples)
}

// balance is the time of one set of labels, ns.
type balance struct {
	like    *profile.Sample // any one of the set
	running int64           // by the table
	cpu     int64           // by the on-CPU source
	calls   []*profile.Sample
	others  []*profile.Sample // neither on a CPU nor in calls
}

// Where the columns of a wall profile are.
const (
	columnCPU = 1 + iota
	columnRunnable
	columnBlocked
	columnWall
)

// Columns returns the sample types of a wall profile. Those of a CPU profile are the first two.
func Columns() []*profile.ValueType {
	types := []*profile.ValueType{{Type: sample.ColumnSamples, Unit: "count"}}
	for _, n := range []string{sample.ColumnCPU, sample.ColumnRunnable, sample.ColumnBlocked, sample.ColumnWall} {
		types = append(types, &profile.ValueType{Type: n, Unit: "nanoseconds"})
	}
	return types
}

// take says whether the sample stays.
func (b *balance) take(s *profile.Sample) bool {
	if isSynthetic(s, frameRunning) {
		b.running += s.Value[columnWall]
		return false
	}
	switch sample.State(first(s.Label[sample.KeyState])) {
	case sample.Running:
		b.cpu += s.Value[columnCPU]
	case sample.Syscall:
		b.calls = append(b.calls, s)
	default:
		b.others = append(b.others, s)
	}
	return true
}

func (b *balance) preempted(ns int64, at *profile.Location) *profile.Sample {
	values := make([]int64, len(b.like.Value)) // behind those of time there may be others
	values[columnRunnable], values[columnWall] = ns, ns
	s := &profile.Sample{Value: values, Location: []*profile.Location{at}, Label: make(map[string][]string),
		NumLabel: b.like.NumLabel, NumUnit: b.like.NumUnit}
	for k, v := range b.like.Label {
		if !strings.HasPrefix(k, "go.") {
			s.Label[k] = v
		}
	}
	s.Label[sample.KeyState] = []string{string(sample.Preempted)}
	return s
}

// takeOff takes time off samples that are not on a CPU, from each its part, and returns what they did
// not have.
func takeOff(samples []*profile.Sample, ns int64) int64 {
	var all int64
	for _, s := range samples {
		all += s.Value[columnWall]
	}
	if ns <= 0 || all == 0 {
		return max(ns, 0)
	}
	keep := 1 - min(float64(ns)/float64(all), 1)
	for _, s := range samples {
		s.Value[columnRunnable] = int64(keep * float64(s.Value[columnRunnable]))
		s.Value[columnBlocked] = int64(keep * float64(s.Value[columnBlocked]))
		s.Value[columnWall] = s.Value[columnRunnable] + s.Value[columnBlocked]
	}
	return max(ns-all, 0)
}

// setKey is what the samples of one set of labels have in common, mayfly's own labels left out.
func setKey(s *profile.Sample) string {
	return labelsKey(s.Label) + fmt.Sprint(s.NumLabel[sample.KeyID])
}

func labelsKey(labels map[string][]string) string {
	var key strings.Builder
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if !strings.HasPrefix(k, sample.OwnPrefix) {
			fmt.Fprintf(&key, "%q=%q,", k, labels[k])
		}
	}
	return key.String()
}

func isSynthetic(s *profile.Sample, frame string) bool {
	return len(s.Location) == 1 && len(s.Location[0].Line) == 1 && s.Location[0].Line[0].Function.Name == frame
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// synthetic adds a location without an address to p.
func synthetic(p *profile.Profile, frame string) *profile.Location {
	f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: frame, SystemName: frame}
	l := &profile.Location{ID: uint64(len(p.Location) + 1), Line: []profile.Line{{Function: f}}}
	p.Function, p.Location = append(p.Function, f), append(p.Location, l)
	return l
}

// Ration makes the [running] samples of a profile without an on-CPU source stand for no more than
// the CPU time that the process's clock counted, in ns. The rest had a thread and no CPU. It returns the CPU time that the
// profile has then.
func Ration(p *profile.Profile, cpu int64) (profiled int64) {
	ration(p, cpu)
	for _, s := range p.Sample {
		profiled += s.Value[columnCPU]
	}
	return profiled
}

func ration(p *profile.Profile, cpu int64) {
	var running int64
	for _, s := range p.Sample {
		if isSynthetic(s, frameRunning) {
			running += s.Value[columnCPU]
		}
	}
	if running <= cpu || cpu <= 0 {
		return
	}
	share := float64(cpu) / float64(running)
	var unwalked *profile.Location
	for _, s := range p.Sample {
		if !isSynthetic(s, frameRunning) {
			continue
		}
		had := int64(share * float64(s.Value[columnCPU]))
		left := s.Value[columnCPU] - had
		s.Value[columnCPU] = had
		if len(s.Value) <= columnWall {
			continue
		}
		s.Value[columnWall] = had
		if unwalked == nil {
			unwalked = synthetic(p, frameUnwalked)
		}
		b := balance{like: s}
		p.Sample = append(p.Sample, b.preempted(left, unwalked))
	}
	slices.SortStableFunc(p.Sample, compareSamples)
}

// compareSamples orders samples, the heaviest first.
func compareSamples(a, b *profile.Sample) int {
	if last := len(a.Value) - 1; a.Value[last] != b.Value[last] {
		return cmp.Compare(b.Value[last], a.Value[last])
	}
	for i := range min(len(a.Location), len(b.Location)) {
		if c := cmp.Compare(a.Location[i].ID, b.Location[i].ID); c != 0 {
			return c
		}
	}
	return len(a.Location) - len(b.Location)
}
