// Package top adds a profile up to the table that `mayfly top` shows: a row for each value of a
// label, each function or each state, with the time that its goroutines spent on a CPU, wanting one
// and waiting. It sees a profile and nothing else.
package top

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// By says what makes a row.
type By struct {
	Kind Kind
	Key  string // of the label, if that is the kind
}

// Kind is what a row stands for.
type Kind string

const (
	Auto  Kind = ""      // the label that covers most time, or the function if there are no labels
	Label Kind = "label" // a value of one label
	Func  Kind = "func"  // a function of the program; see Function
	State Kind = "state" // a state of goroutines
)

// ParseBy reads "label:KEY", "func" or "state"; "" is Auto.
func ParseBy(s string) (By, error) {
	kind, key, keyed := strings.Cut(s, ":")
	switch by := (By{Kind(kind), key}); {
	case s == "", !keyed && (by.Kind == Func || by.Kind == State), by.Kind == Label && key != "":
		return by, nil
	}
	return By{}, fmt.Errorf("%q: not label:KEY, func or state", s)
}

// String is what ParseBy reads.
func (b By) String() string {
	if b.Kind == Label {
		return string(b.Kind) + ":" + b.Key
	}
	return string(b.Kind)
}

// Table is a profile added up.
type Table struct {
	By     By
	Exact  bool  // CPU times are counted and not sampled
	Start  int64 // Unix ns
	Length int64 // ns
	Rows   []Row // by descending wall time, the row without a label last
	Total  Row
	Events []string // what the profile has sampled beside time: Row.Events
}

// Row is the time of some goroutines, in ns.
type Row struct {
	Name       string // "" is the row of those that lack the label
	CPU        int64
	Error      int64 // how far CPU may be off, in 19 of 20 cases; 0: not at all, or not known
	Runnable   int64 // runnable, preempted, throttled
	Blocked    int64
	Goroutines int         // distinct ones that have a sample; 0 if the profile has no go.id
	States     []StateTime // the same time by state, the longest first

	Lives *sample.Lifetimes // for how long goroutines had the label, since the recording began; nil if that is not known

	Events []int64 // how often each of Table.Events happened
}

// PerCycle is how many instructions the CPU executed in one of its cycles, of a table that has both; 0: none were counted.
func (t *Table) PerCycle(r *Row) float64 {
	instructions, cycles := slices.Index(t.Events, "instructions"), slices.Index(t.Events, "cycles")
	if instructions < 0 || cycles < 0 || r.Events[cycles] == 0 {
		return 0
	}
	return float64(r.Events[instructions]) / float64(r.Events[cycles])
}

// HasPerCycle says whether PerCycle can be known.
func (t *Table) HasPerCycle() bool {
	return slices.Contains(t.Events, "instructions") && slices.Contains(t.Events, "cycles")
}

// StateTime is the time spent in one state.
type StateTime struct {
	Name string
	NS   int64
}

// Wall is the time in all states.
func (r *Row) Wall() int64 { return r.CPU + r.Runnable + r.Blocked }

// Of adds a profile up. A profile without states (a CPU profile) has the time on a CPU only.
func Of(p *profile.Profile, by By) *Table {
	if by.Kind == Auto {
		by = Best(p)
	}
	c := columnsOf(p)
	sums := make(map[string]*sum)
	all := newSum("", len(c.events))
	for _, s := range p.Sample {
		for _, name := range by.names(s) {
			if sums[name] == nil {
				sums[name] = newSum(name, len(c.events))
			}
			sums[name].add(s, c)
		}
		all.add(s, c)
	}
	t := &Table{By: by, Start: p.TimeNanos, Length: p.DurationNanos, Total: all.done()}
	for _, i := range c.events {
		t.Events = append(t.Events, p.SampleType[i].Type)
	}
	t.Total.Error = 0 // the process's clock has counted it
	for _, x := range sums {
		t.Rows = append(t.Rows, x.done())
	}
	slices.SortFunc(t.Rows, func(a, b Row) int { return Compare(&a, &b, (*Row).Wall) })
	return t
}

// Count takes up what was counted of the CPU times of label sets. The samples have it already: what changes is how far the rows of a
// label's values may be off.
func (t *Table) Count(sets []sample.ExactCPU) {
	if t.Exact = len(sets) > 0; !t.Exact || t.By.Kind != Label {
		return
	}
	off := make(map[string]int64)
	for _, s := range sets {
		if s.Kind != sample.CPUOfLabels {
			continue
		}
		name := ""
		for _, l := range s.Labels {
			if l.Key == t.By.Key {
				name = l.Value
			}
		}
		off[name] += s.Error
	}
	for i := range t.Rows {
		if e, ok := off[t.Rows[i].Name]; ok {
			t.Rows[i].Error = e
		}
	}
}

// Live adds lifetimes to the rows that they are of: of all goroutines to the total, of a label's values to theirs.
func (t *Table) Live(all []sample.Lifetimes) {
	for i := range all {
		l := &all[i]
		if l.Key == "" {
			t.Total.Lives = l
			continue
		}
		for k := range t.Rows {
			if r := &t.Rows[k]; t.By == (By{Label, l.Key}) && r.Name == l.Value && r.Name != "" {
				r.Lives = l
			}
		}
	}
}

// Lived says whether lifetimes of any row are known.
func (t *Table) Lived() bool {
	return slices.ContainsFunc(t.Rows, func(r Row) bool { return r.Lives != nil })
}

// Compare orders rows by a number, the largest first, then by name. The row without a name is last.
func Compare(a, b *Row, of func(*Row) int64) int {
	if (a.Name == "") != (b.Name == "") {
		return strings.Compare(b.Name, a.Name)
	}
	return cmp.Or(cmp.Compare(of(b), of(a)), strings.Compare(a.Name, b.Name))
}

// names are the rows that a sample belongs to.
func (b By) names(s *profile.Sample) []string {
	var names []string
	switch b.Kind {
	case Label:
		names = s.Label[b.Key]
	case State:
		names = s.Label[sample.KeyState]
	case Func:
		return []string{Function(s)}
	}
	if len(names) == 0 {
		return []string{""}
	}
	return names
}

// columns are the indexes of a profile's sample types, -1 for one that it has not.
type columns struct {
	samples, cpu, runnable, blocked int
	events                          []int
}

func columnsOf(p *profile.Profile) columns {
	find := func(name string) int {
		return slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == name && t.Unit == "nanoseconds" })
	}
	c := columns{-1, find(sample.ColumnCPU), find(sample.ColumnRunnable), find(sample.ColumnBlocked), nil}
	for i, t := range p.SampleType {
		switch {
		case t.Type == sample.ColumnSamples:
			c.samples = i
		case t.Unit == "count":
			c.events = append(c.events, i)
		}
	}
	return c
}

func value(s *profile.Sample, column int) int64 {
	if column < 0 || column >= len(s.Value) {
		return 0
	}
	return s.Value[column]
}

func (c columns) wall(s *profile.Sample) int64 {
	return value(s, c.cpu) + value(s, c.runnable) + value(s, c.blocked)
}

// sum is a row in the making.
type sum struct {
	row    Row
	taken  int64 // samples on a CPU
	states map[string]int64
	goids  map[int64]struct{}
}

func newSum(name string, events int) *sum {
	return &sum{row: Row{Name: name, Events: make([]int64, events)}, states: make(map[string]int64), goids: make(map[int64]struct{})}
}

func (x *sum) add(s *profile.Sample, c columns) {
	x.row.CPU += value(s, c.cpu)
	x.taken += value(s, c.samples)
	x.row.Runnable += value(s, c.runnable)
	x.row.Blocked += value(s, c.blocked)
	for i, column := range c.events {
		x.row.Events[i] += value(s, column)
	}
	state := "running" // a profile without states is one of CPU time
	if l := s.Label[sample.KeyState]; len(l) > 0 {
		state = l[0]
	}
	x.states[state] += c.wall(s)
	for _, id := range s.NumLabel[sample.KeyID] {
		x.goids[id] = struct{}{}
	}
}

func (x *sum) done() Row {
	x.row.Goroutines = len(x.goids)
	x.row.Error = chance(x.row.CPU, x.taken)
	for _, name := range slices.Sorted(maps.Keys(x.states)) {
		if ns := x.states[name]; ns > 0 {
			x.row.States = append(x.row.States, StateTime{name, ns})
		}
	}
	slices.SortStableFunc(x.row.States, func(a, b StateTime) int { return cmp.Compare(b.NS, a.NS) })
	return x.row
}

// chance is how far CPU time may be off of which there are n samples, in 19 of 20 cases: the larger half of a Poisson
// distribution's interval.
func chance(cpu, n int64) int64 {
	if n <= 0 {
		return 0
	}
	return int64((1.96*math.Sqrt(float64(n)) + 1.92) / float64(n) * float64(cpu))
}
