package compare

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Options say how to compare. The zero value works.
type Options struct {
	Seed uint64 // of Decimate
}

// Result is a comparison of the default profile with mayfly's of the same seconds.
type Result struct {
	Sentence  string `json:"sentence"`
	Fine      bool   `json:"default_is_fine"`
	Decimated bool   `json:"decimated"` // there was no default profile: it was made of mayfly's samples
	Rusage    int64  `json:"cpu_rusage_ns,omitempty"`
	Default   CPU    `json:"default"`
	Mayfly    CPU    `json:"mayfly"`

	Labels     []Row      `json:"labels"`     // by key, then value
	Functions  []Row      `json:"functions"`  // the largest first
	Unseen     Unseen     `json:"unseen"`     // by the default profile
	Lifetimes  []Lifetime `json:"lifetimes"`  // of goroutines, where mayfly's profile has their ids
	Waits      []Wait     `json:"waits"`      // the largest first
	Unlabelled Row        `json:"unlabelled"` // CPU time without any label

	defaultProfile, mayfly *profile.Profile
}

// Row is one label or function in both profiles.
type Row struct {
	Name    string `json:"name"`
	Default CPU    `json:"default"`
	Mayfly  CPU    `json:"mayfly"`
	// Differs says that the shares differ by more than chance explains, over all rows.
	Differs bool `json:"differs"`
}

// Unseen counts what the default profile has no sample of and mayfly's has.
type Unseen struct {
	Labels     int   `json:"labels"`
	Functions  int   `json:"functions"`
	FunctionNS int64 `json:"functions_ns"` // CPU time of those functions
	// Goroutines that ran, and how many of them the default profile can have seen at the most:
	// one a sample. 0 where mayfly's profile has no ids.
	Goroutines int   `json:"goroutines"`
	AtMost     int64 `json:"goroutines_default_at_most"`
}

// Lifetime is the coverage of goroutines by how much CPU time they took.
type Lifetime struct {
	Below      int64   `json:"below_ns"` // 0: no bound
	Goroutines int     `json:"goroutines"`
	Default    float64 `json:"default_expected"` // share of them with a sample at 100 Hz: min(1, cpu/10ms) on average
}

// Wait is the time of one label's goroutines off the CPU.
type Wait struct {
	Label  string `json:"label"`
	NS     int64  `json:"ns"`
	Wall   int64  `json:"wall_ns"`
	CPU    int64  `json:"cpu_ns"`
	States []Time `json:"states"` // without running
}

// ErrNoCPU says that a profile has no CPU time to compare.
var ErrNoCPU = errors.New("no CPU samples")

// Compare compares the default profile with mayfly's; a nil default is made of mayfly's samples.
// The profiles are not changed. The error wraps ErrNoCPU.
func Compare(defaultProfile, mayfly *profile.Profile, o Options) (*Result, error) {
	r := &Result{Rusage: comment(mayfly, "cpu_rusage_ns"), Decimated: defaultProfile == nil}
	var err error
	if r.mayfly, err = diff.InNanoseconds(mayfly); err == nil && !r.Decimated {
		r.defaultProfile, err = diff.InNanoseconds(defaultProfile)
	}
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	if r.Decimated {
		r.defaultProfile = Decimate(r.mayfly, o.Seed)
	}
	r.Default, r.Mayfly = Total(r.defaultProfile), Total(r.mayfly)
	if r.Mayfly.NS == 0 || Column(r.defaultProfile, sample.ColumnCPU) < 0 {
		return nil, fmt.Errorf("compare: %w", ErrNoCPU)
	}
	r.labels()
	r.functions()
	r.goroutines()
	r.waits()
	r.Unlabelled = Row{Name: "no label", Default: Unlabelled(r.defaultProfile), Mayfly: Unlabelled(r.mayfly)}
	r.Sentence, r.Fine = r.sentence()
	return r, nil
}

// shownValues bounds how many values of a label are rows: some labels are request ids.
const shownValues = 50

// shownKeys bounds how many labels are told apart.
const shownKeys = 100

func (r *Result) labels() {
	a, b := byLabel(r.defaultProfile), byLabel(r.mayfly)
	values, ns := make(map[string][]label), make(map[string]int64)
	for l := range joined(a, b) {
		if b[l].NS > 0 && a[l].NS == 0 {
			r.Unseen.Labels++
		}
		if b[l].NS > 0 || a[l].NS > 0 {
			values[l.key], ns[l.key] = append(values[l.key], l), ns[l.key]+b[l].NS
		}
	}
	for _, key := range first(shownKeys, slices.Collect(maps.Keys(values)), func(key string) int64 { return ns[key] }, strings.Compare) {
		for _, l := range first(shownValues, values[key], func(l label) int64 { return b[l].NS }, label.compare) {
			r.Labels = append(r.Labels, Row{Name: l.String(), Default: a[l], Mayfly: b[l]})
		}
	}
	r.mark(r.Labels)
}

// first returns all in their order, or, where there are more than n, the n that have most, the most first.
func first[T any](n int, all []T, of func(T) int64, order func(a, b T) int) []T {
	slices.SortFunc(all, order)
	if len(all) > n {
		slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(of(b), of(a)) })
		all = all[:n]
	}
	return all
}

func (r *Result) functions() {
	a, b := Functions(r.defaultProfile), Functions(r.mayfly)
	names := make(map[string]bool)
	for name := range a {
		names[name] = true
	}
	for name, c := range b {
		names[name] = true
		if _, ok := a[name]; !ok {
			r.Unseen.Functions++
			r.Unseen.FunctionNS += c.NS
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		r.Functions = append(r.Functions, Row{Name: diff.Clean(name), Default: a[name], Mayfly: b[name]})
	}
	slices.SortStableFunc(r.Functions, func(a, b Row) int { return cmp.Compare(b.Mayfly.NS, a.Mayfly.NS) })
	r.mark(r.Functions)
}

// overdispersion is how much more samples of two profilers vary than Poisson's: they share the program's
// randomness, but work comes in bursts and a sampler's timer beats with it.
const overdispersion = 2

// leastDifference is the difference of two shares that matters.
const leastDifference = 0.03

// mark finds rows whose shares differ: a z test of each with Bonferroni's correction.
func (r *Result) mark(rows []Row) {
	bound := distuv.UnitNormal.Quantile(1 - 0.05/2/float64(max(1, len(rows))))
	for i := range rows {
		a, b := share(rows[i].Default, r.Default), share(rows[i].Mayfly, r.Mayfly)
		p := (a + b) / 2
		se := math.Sqrt(overdispersion * p * (1 - p) * (1/float64(max(1, r.Default.Samples)) + 1/float64(max(1, r.Mayfly.Samples))))
		rows[i].Differs = math.Abs(a-b) > leastDifference && math.Abs(a-b) > bound*se
	}
}

func share(c, of CPU) float64 { return Percent(c.NS, of.NS) / 100 }

// lifetimes are the upper bounds of the groups of goroutines, ns of CPU time.
var lifetimes = []int64{1e6, 10e6, 100e6, 0}

func (r *Result) goroutines() {
	cpu := Column(r.mayfly, sample.ColumnCPU)
	ran := make(map[int64]int64)
	for _, s := range r.mayfly.Sample {
		if id := s.NumLabel[sample.KeyID]; len(id) == 1 && s.Value[cpu] > 0 {
			ran[id[0]] += s.Value[cpu]
		}
	}
	if len(ran) == 0 {
		return
	}
	r.Unseen.Goroutines, r.Unseen.AtMost = len(ran), min(r.Default.Samples, int64(len(ran)))
	groups := make([]Lifetime, len(lifetimes))
	for _, id := range slices.Sorted(maps.Keys(ran)) {
		i := slices.IndexFunc(lifetimes, func(below int64) bool { return below == 0 || ran[id] < below })
		groups[i].Goroutines++
		groups[i].Default += min(1, float64(ran[id])*DefaultRate/1e9)
	}
	for i, g := range groups {
		if g.Below = lifetimes[i]; g.Goroutines > 0 {
			g.Default /= float64(g.Goroutines)
			r.Lifetimes = append(r.Lifetimes, g)
		}
	}
}

// shownWaits is for how many labels waiting is told.
const shownWaits = 20

func (r *Result) waits() {
	waiting := waitingByLabel(r.mayfly)
	values := make(map[string]int)
	for l := range waiting {
		values[l.key]++
	}
	maps.DeleteFunc(waiting, func(l label, ns int64) bool {
		return ns <= 0 || values[l.key] > 10*shownValues // ids of requests: there is nothing to read in each of them
	})
	labels := slices.SortedFunc(maps.Keys(waiting), func(a, b label) int { return cmp.Or(cmp.Compare(waiting[b], waiting[a]), a.compare(b)) })
	for _, l := range labels[:min(len(labels), shownWaits)] {
		r.Waits = append(r.Waits, wait(r.mayfly, l))
	}
}

func wait(p *profile.Profile, l label) Wait {
	states, wall := States(p, l.key, l.value)
	w := Wait{Label: l.String(), Wall: wall}
	for _, s := range states {
		if s.State == "running" {
			w.CPU = s.NS
			continue
		}
		w.NS += s.NS
		w.States = append(w.States, s)
	}
	return w
}

// sentence is the truth in one sentence: what is wrong with the default profile, the worst first, or
// that it is fine.
func (r *Result) sentence() (text string, fine bool) {
	var wrong []string
	if s := r.missing(); s != "" {
		wrong = append(wrong, s)
	}
	if s := r.misplaced(); s != "" {
		wrong = append(wrong, s)
	}
	name := "the default profile "
	if r.Decimated {
		name = "the profile decimated to 100 Hz "
	}
	waits, few := r.waiting(), r.few()
	switch {
	case len(wrong) > 0 && waits != "":
		return name + strings.Join(wrong, " and ") + "; and " + waits, false
	case len(wrong) > 0:
		return name + strings.Join(wrong, " and "), false
	case few != "" && waits != "":
		return name + few + "; but " + waits, false
	case few != "":
		return name + few, false
	case waits != "":
		return name + "is right about the CPU, but " + waits, false
	}
	what := "the default profile is fine here: it has "
	if r.Decimated {
		what = "100 Hz is enough here: it has "
	}
	return fmt.Sprintf("%s%.0f %% of the CPU time, at the same labels and functions within its error", what, Percent(r.Default.NS, r.truth())),
		true
}

// truth is the process's CPU time: what its own clock says, or mayfly's samples.
func (r *Result) truth() int64 {
	if r.Rusage > 0 {
		return r.Rusage
	}
	return r.Mayfly.NS
}

// leastMissing is the share of the CPU time by which a profile may be off in sum.
const leastMissing = 0.1

// off is by how much the default profile's sum is wrong, and the standard error of that from
// counting its samples, both as shares of the truth.
func (r *Result) off() (off, se float64) {
	off = float64(r.Default.NS)/float64(r.truth()) - 1
	return off, (1 + off) / math.Sqrt(float64(max(1, r.Default.Samples)))
}

// missing says that the default profile's sum is wrong by more than counting explains.
func (r *Result) missing() string {
	off, se := r.off()
	if math.Abs(off) <= leastMissing || math.Abs(off) <= 2.5*se {
		return ""
	}
	verb := "misses"
	if off > 0 {
		verb = "reports too much by"
	}
	return fmt.Sprintf("%s %.0f %% of the CPU time (%s of %s; mayfly has %s)", verb, 100*math.Abs(off), Round(r.Default.NS),
		Round(r.truth()), Round(r.Mayfly.NS))
}

// few says that the default profile has too few samples to be judged.
func (r *Result) few() string {
	off, se := r.off()
	if math.Abs(off) <= leastMissing && 1.96*se <= 2*leastMissing {
		return ""
	}
	return fmt.Sprintf("has %d samples, too few to judge it by: it shows %.0f %% ±%.0f %% of the CPU time; record longer",
		r.Default.Samples, 100*(1+off), 100*1.96*se)
}

// misplaced says where the shares differ most.
func (r *Result) misplaced() string {
	var worst Row
	largest := 0.0
	for _, row := range append(slices.Clone(r.Labels), r.Functions...) {
		d := math.Abs(share(row.Default, r.Default) - share(row.Mayfly, r.Mayfly))
		if row.Differs && d > largest {
			worst, largest = row, d
		}
	}
	if largest == 0 {
		return ""
	}
	return fmt.Sprintf("gives %s %.0f %% of the CPU time where it has %.0f %%", worst.Name,
		100*share(worst.Default, r.Default), 100*share(worst.Mayfly, r.Mayfly))
}

// Waiting matters when it is most of a label's time, and of a label that does something: goroutines
// that only wait, such as idle workers, are no news.
const (
	leastWaiting = 0.5
	leastWork    = 0.001 // of the CPU time
)

// waiting names the label that waits most, and for what.
func (r *Result) waiting() string {
	for _, w := range r.Waits {
		if float64(w.NS) < leastWaiting*float64(w.Wall) || float64(w.CPU) < leastWork*float64(r.Mayfly.NS) {
			continue
		}
		s := w.States[0]
		return fmt.Sprintf("no CPU profile can show that %s waits for %.0f %% of its time, most of it %s (%.0f %%)", w.Label,
			Percent(w.NS, w.Wall), s.State, Percent(s.NS, w.Wall))
	}
	return ""
}
