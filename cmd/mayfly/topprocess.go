package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// topProcess is what is known of a process that top records.
type topProcess struct {
	pid   int
	name  string // of the program
	by    top.By
	table *top.Table // of the last interval; nil before the first

	open    bool             // its rows are shown
	profile *profile.Profile // of the last interval, while they are
	missing string           // what the host does not allow to see of it
	ending  string           // what the last interval says of how the recording ended
	why     string           // there are no more intervals
	failed  bool             // since it cannot be recorded
	end     time.Time        // when that was
	scans   float64          // of its goroutines, Hz
	lives   []sample.Lifetimes
	exact   []sample.ExactCPU
	taken   int // intervals
}

// take takes up an interval. The last one of a stream may be too short to say anything.
func (p *topProcess) take(rec *profiler.Recording, every time.Duration) (taken bool) {
	if len(rec.Summary.Denied) > 0 {
		p.missing = strings.Join(rec.Summary.Denied, "; ")
	}
	p.ending = rec.Summary.End
	if p.table != nil && rec.Profile.DurationNanos < int64(every)/2 {
		return false
	}
	p.profile, p.scans, p.lives = rec.Profile, rec.Summary.Table.Rate, rec.Summary.Coverage.Lifetimes
	p.exact = rec.Summary.Exact.Sets
	p.taken++
	p.add()
	if !p.open {
		p.profile = nil // it may be large, and there may be many
	}
	return true
}

// add adds the last interval up anew, if it is still there.
func (p *topProcess) add() {
	if p.profile == nil {
		return
	}
	p.table = top.Of(p.profile, p.by)
	p.table.Live(p.lives)
	p.table.Count(p.exact)
	if p.by.Kind == top.Auto && p.table.By.Kind == top.Label {
		p.by = p.table.By // stays, whatever the next interval has most of
	}
}

// nextLabel goes on to the next key of the last interval, from the last one to the first.
func (p *topProcess) nextLabel() {
	if p.profile == nil {
		return
	}
	if keys := top.Keys(p.profile); len(keys) > 0 {
		p.by = top.By{Kind: top.Label, Key: keys[(slices.Index(keys, p.by.Key)+1)%len(keys)]}
	}
}

// title is what a process is called as a row.
func (p *topProcess) title() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", p.pid, printable.Line(p.name)))
}

// state is what stands in place of numbers where there are none; "" where there are.
func (p *topProcess) state() string {
	switch {
	case p.why != "":
		return printable.Line(p.why)
	case p.table == nil:
		return "recording the first interval ..."
	}
	return ""
}

// total is the row of the process.
func (p *topProcess) total() *top.Row {
	if p.table == nil {
		return new(top.Row)
	}
	return &p.table.Total
}

// topProcesses are all of them.
type topProcesses struct {
	list  []*topProcess
	by    top.By
	every time.Duration
	all   bool // that there are: those that are over make room
	costs topCost
	note  string
}

// shownAfter is for how many intervals a process that is over is shown.
const shownAfter = 10

// of is the process of an id. One that is over has left its id to the next.
func (ps *topProcesses) of(pid int) *topProcess {
	for _, p := range ps.list {
		if p.pid == pid && p.end.IsZero() {
			return p
		}
	}
	return nil
}

// take takes up what is heard, and returns the process that has another interval now, or nil.
func (ps *topProcesses) take(ev *event) *topProcess {
	switch {
	case ev.note != "":
		ps.note = ev.note
		return nil
	case ev.gone:
		ps.list = slices.DeleteFunc(ps.list, func(p *topProcess) bool { return p.pid == ev.pid && !p.end.IsZero() })
		return nil
	}
	p := ps.of(ev.pid)
	if p == nil {
		p = &topProcess{pid: ev.pid, name: ev.name, by: ps.by}
		ps.list = append(ps.list, p)
	}
	switch {
	case ev.over:
		ps.over(p, ev.err)
	case ev.rec != nil:
		ps.costs = ev.costs
		if p.take(ev.rec, ps.every) {
			return p
		}
	}
	return nil
}

// over is the end of a process, or of its recording.
func (ps *topProcesses) over(p *topProcess, err error) {
	p.profile, p.end, p.failed = nil, time.Now(), err != nil
	switch {
	case ps.all && p.table == nil && errors.Is(err, profiler.ErrNoProcess): // nobody has seen it
		ps.list = slices.DeleteFunc(ps.list, func(x *topProcess) bool { return x == p })
	case err != nil:
		p.why = oneLine(err.Error())
	default:
		p.why = cmp.Or(p.ending, "the recording ended")
	}
}

// forget leaves out processes that ended a while ago.
func (ps *topProcesses) forget(now time.Time) {
	ps.list = slices.DeleteFunc(ps.list, func(p *topProcess) bool {
		return ps.all && !p.end.IsZero() && !p.failed && now.Sub(p.end) > shownAfter*ps.every
	})
}

// sorted are the processes by a column of their totals, those that have none last.
func (ps *topProcesses) sorted(by int) []*topProcess {
	of := orders[by].of
	return slices.SortedFunc(slices.Values(ps.list), func(a, b *topProcess) int {
		return cmp.Or(cmp.Compare(min(len(a.state()), 1), min(len(b.state()), 1)), cmp.Compare(of(b.total()), of(a.total())),
			strings.Compare(a.name, b.name), cmp.Compare(a.pid, b.pid))
	})
}

// count says how many are recorded.
func (ps *topProcesses) count() string {
	n := 0
	for _, p := range ps.list {
		if p.end.IsZero() {
			n++
		}
	}
	return fmt.Sprintf("%d %s", n, plural(n, "process", "processes"))
}

// total is the row of all.
func (ps *topProcesses) total() (sum top.Row) {
	for _, p := range ps.list {
		if p.state() == "" {
			r := p.total()
			sum.CPU, sum.Runnable, sum.Blocked = sum.CPU+r.CPU, sum.Runnable+r.Runnable, sum.Blocked+r.Blocked
			sum.Goroutines += r.Goroutines
		}
	}
	return sum
}

// cost is a line on what mayfly takes for all processes, and how closely it looks.
func (ps *topProcesses) cost() string {
	s := fmt.Sprintf("mayfly takes %.1f %% of a core; samples at %d Hz each", 100*ps.costs.share, ps.costs.rate)
	if lowest := ps.scans(); lowest < math.Inf(1) {
		s += fmt.Sprintf(", scans at %.0f Hz or more", lowest)
	}
	return s
}

// scans is the lowest rate at which goroutines of any of them are scanned, Hz.
func (ps *topProcesses) scans() float64 {
	lowest := math.Inf(1)
	for _, p := range ps.list {
		if p.state() == "" {
			lowest = min(lowest, p.scans)
		}
	}
	return lowest
}
