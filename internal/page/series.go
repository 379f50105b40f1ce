package page

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A timeline has samples that say when they ended. For each row the page knows how much of it fell into which cell of time,
// in whole ticks: enough to say what happened in a window. What all of it is, is exact.
const (
	cell    = 20 * time.Millisecond
	tick    = 10 * time.Microsecond
	perCell = int64(cell / tick)
	longest = 2 * time.Hour // a timeline that is longer is none

)

// span is one sample of a row.
type span struct {
	row      int32
	from, to int64 // Unix ns
}

// series is when samples were: those that say so.
type series struct{ spans []span }

func (x *series) size() int64 { return 48 * int64(len(x.spans)) } // a slice that doubles

// when is when a sample was, if it says so. The column is the sample type that says for how long, in units of so many ns; -1: none.
func when(s *profile.Sample, column int, ns int64) (from, to int64, ok bool) {
	end := s.NumLabel[sample.KeyEnd]
	if len(end) != 1 || end[0] <= 0 || len(s.NumLabel[sample.KeyCall]) > 0 {
		return 0, 0, false
	}
	length := int64(tick)
	if column >= 0 {
		if s.Value[column] > math.MaxInt64/ns {
			return 0, 0, false
		}
		length = max(s.Value[column]*ns, 1)
	}
	return end[0] - length, end[0], length < end[0]
}

// lengthColumn is the sample type that says how long an interval is, -1 if there is none: wall time, else the default. Its unit is
// so many ns.
func lengthColumn(p *profile.Profile) (at int, ns int64) {
	at = -1
	for i, t := range p.SampleType {
		unit := samples.Nanoseconds(t.Unit)
		if wall := t.Type == sample.ColumnWall; unit > 0 && (wall || at < 0 || t.Type == p.DefaultSampleType) {
			at, ns = i, unit
			if wall {
				break
			}
		}
	}
	return at, ns
}

// window is when the first sample began and the last ended; false if there is no timeline, or one of no recording.
func (x *series) window() (from, to int64, ok bool) {
	if len(x.spans) == 0 {
		return 0, 0, false
	}
	from, to = x.spans[0].from, x.spans[0].to
	for _, s := range x.spans {
		from, to = min(from, s.from), max(to, s.to)
	}
	return from, to, to > from && to-from <= int64(longest)
}

// run is some cells in which a row has the same number of ticks.
type run struct {
	from, to int64
	ticks    int64
}

// put writes the runs of each row, in the order in which the rows are written. Of the last run it writes what is not to be expected by
// the ticks of the whole row: next to nothing.
func (x *series) put(a *arrays, order []int, from int64, expected func(row int) int64) {
	slices.SortFunc(x.spans, func(x, y span) int { return cmp.Or(cmp.Compare(x.row, y.row), cmp.Compare(x.from, y.from)) })
	begin := make([]int, len(order)+1)
	for i, s := range x.spans {
		begin[s.row+1] = i + 1
	}
	for i := 1; i < len(begin); i++ {
		begin[i] = max(begin[i], begin[i-1])
	}
	var count, gap, length []int32
	var ticks []int64
	for _, row := range order {
		runs := runsOf(x.spans[begin[row]:begin[row+1]], from)
		count = append(count, int32(len(runs)))
		last, left := int64(0), expected(row)
		for i, r := range runs {
			gap, length = append(gap, int32(r.from-last)), append(length, int32(r.to-r.from-1))
			here := r.ticks
			if i == len(runs)-1 {
				here -= left / (r.to - r.from)
			}
			ticks = append(ticks, here)
			last, left = r.to, left-r.ticks*(r.to-r.from)
		}
	}
	put(a, "runs", count)
	put(a, "gap", gap)
	put(a, "length", length)
	put(a, "ticks", ticks)
}

// step is a change at the begin of a cell: of what is there in this cell alone, and of how many spans go on.
type step struct{ cell, once, more int64 }

// runsOf lays the spans of one row over the cells.
func runsOf(spans []span, start int64) (runs []run) {
	var steps []step
	for _, s := range spans {
		from, to := (s.from-start)/int64(tick), (s.to-start)/int64(tick)
		if to == from {
			to++ // shorter than a tick, and there
		}
		first, last := from/perCell, (to-1)/perCell
		if first == last {
			steps = append(steps, step{first, to - from, 0})
			continue
		}
		steps = append(steps, step{first, (first+1)*perCell - from, 0}, step{last, to - last*perCell, 0})
		if last > first+1 {
			steps = append(steps, step{first + 1, 0, 1}, step{last, 0, -1})
		}
	}
	slices.SortFunc(steps, func(x, y step) int { return cmp.Compare(x.cell, y.cell) })
	more, at := int64(0), int64(0)
	for i := 0; i < len(steps); {
		c := steps[i].cell
		runs = appendRun(runs, run{at, c, more * perCell})
		once := int64(0)
		for ; i < len(steps) && steps[i].cell == c; i++ {
			once += steps[i].once
			more += steps[i].more
		}
		runs = appendRun(runs, run{c, c + 1, once + more*perCell})
		at = c + 1
	}
	return runs
}

// appendRun joins cells that have the same, and leaves out those that have nothing.
func appendRun(runs []run, r run) []run {
	if r.to <= r.from || r.ticks == 0 {
		return runs
	}
	if n := len(runs) - 1; n >= 0 && runs[n].to == r.from && runs[n].ticks == r.ticks {
		runs[n].to = r.to
		return runs
	}
	return append(runs, r)
}
