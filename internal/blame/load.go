package blame

import (
	"maps"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// A goroutine that is runnable waits for whoever has the Ps. So the window is cut into cells, and for
// each it is known what the process's CPU time went into, and how long its threads wanted a CPU and
// got none. A cell is 5 ms, in recordings of minutes and hours more: there are not more than mostCells.

const (
	loadCell  = int64(5e6)
	mostCells = 20_000
)

// load is what the whole process did in one cell.
type load struct {
	cpu, gc, denied float64 // ns: on a CPU for the program, for the collector, and not although it wanted
	throttled       float64 // ns of denied in which the quota was used up
	seen            float64 // ns of denied that a scan saw
	still           float64 // ns of cpu in which the world stood still for it
	wanted          float64 // for which share of the time around it a thread was seen to want a CPU
	top             []work  // what cpu went into, in the order of the functions: sums over it are the same each time
	filled          map[int32]float64
}

// work is the CPU time of a function, ns.
type work struct {
	fn int32
	ns float64
}

// settle makes top of what was filled in, by function.
func (l *load) settle() {
	for _, fn := range slices.Sorted(maps.Keys(l.filled)) {
		l.top = append(l.top, work{fn, l.filled[fn]})
	}
	l.filled = nil
}

// loads are the cells of the window.
type loads struct {
	facts
	cells []load
	cell  int64   // length of one, ns
	full  []int64 // for how many ns all Ps were busy before each of them
	ps    float64 // how many Ps there are
	holds []bool  // by stack: who runs there has stopped the world
}

func newLoads(t facts) loads {
	ls := loads{facts: t, holds: make([]bool, len(t.Stacks))}
	for i := range t.Stacks {
		ls.holds[i] = t.Has(&t.Stacks[i], names.HoldsWorld)
	}
	ls.fillCells()
	ls.ps = ls.parallel()
	ls.sumFull()
	return ls
}

// fillCells fills in the cells from all tracks.
func (ls *loads) fillCells() {
	ls.cell = max(loadCell, (ls.To-ls.From)/mostCells)
	ls.cells = make([]load, (ls.To-ls.From)/ls.cell+2)
	for _, g := range ls.Tracks {
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if p.Kind == timeline.CPU || p.Kind == timeline.GC && ls.States[p.State].Name == "running" || p.Kind.Denied() {
				ls.addLoad(p)
			}
		}
	}
	for i := range ls.cells {
		ls.cells[i].settle()
	}
	ls.sumWanted()
}

// denialNear is how far from denials that were seen others may be that were not: a thread that wants a CPU to take up a goroutine with
// has none yet, and so is on no track.
const denialNear = int64(20e6)

// sumWanted finds out for which share of the time around each cell a thread was seen to want a CPU.
func (ls *loads) sumWanted() {
	near, sum := int(denialNear/ls.cell), 0.0
	for i := -near; i < len(ls.cells); i++ {
		if last := i + near; last < len(ls.cells) {
			sum += ls.cells[last].seen
		}
		if first := i - near - 1; first >= 0 {
			sum -= ls.cells[first].seen
		}
		if i >= 0 {
			ls.cells[i].wanted = min(max(sum/float64(int64(2*near+1)*ls.cell), 0), 1)
		}
	}
}

func (ls *loads) addLoad(p *timeline.Piece) {
	ls.eachCell(p.From, p.To, func(l *load, ns int64) {
		if p.Kind.Denied() && !p.Guess {
			l.seen += float64(ns)
		}
		switch p.Kind {
		case timeline.GC:
			l.gc += float64(ns)
		case timeline.Quota:
			l.throttled += float64(ns)
			l.denied += float64(ns)
		case timeline.OSScheduler:
			l.denied += float64(ns)
		default:
			l.cpu += float64(ns)
			if ls.holds[p.Stack] {
				l.still += float64(ns)
			}
			if l.filled == nil {
				l.filled = make(map[int32]float64)
			}
			l.filled[ls.Place(p.Stack).Fn] += float64(ns)
		}
	})
}

// eachCell calls visit for the cells of a stretch of time, with the ns that lie in each.
func (ls *loads) eachCell(from, to int64, visit func(l *load, ns int64)) {
	from, to = max(from, ls.From), min(to, ls.To)
	for from < to {
		i := (from - ls.From) / ls.cell
		end := min(ls.From+(i+1)*ls.cell, to)
		visit(&ls.cells[i], end-from)
		from = end
	}
}

// A quota that is used up holds all threads of the group. The kernel says of each that it is throttled when that one next
// gets to user space, or wants to run; so one says it for those that want a CPU at the same time. throttledPart is the share of
// those from which on it does.
const throttledPart = 0.25

// isThrottled says whether who wants a CPU in a cell gets none for the quota.
func (l *load) isThrottled() bool { return l.throttled > 0 && l.throttled >= throttledPart*l.denied }

// spender is the function that used most CPU time, and so most of a quota: the collector's is that of who allocates.
func (ls *loads) spender(allocator timeline.Frame) timeline.Frame {
	used := map[timeline.Frame]float64{}
	best := timeline.Nowhere
	add := func(f timeline.Frame, ns float64) {
		if used[f] += ns; f.Fn >= 0 && (best.Fn < 0 || used[f] > used[best] || used[f] == used[best] && f.Fn < best.Fn) {
			best = f
		}
	}
	for i := range ls.cells {
		add(timeline.Frame{Fn: allocator.Fn}, ls.cells[i].gc)
		for _, w := range ls.cells[i].top {
			add(timeline.Frame{Fn: w.fn}, w.ns)
		}
	}
	return best
}

// parallel is how many Ps the target has: what the recording says, else what was seen at once.
func (ls *loads) parallel() float64 {
	if ls.Procs > 0 {
		return float64(ls.Procs)
	}
	most := 0.0
	for i := range ls.cells {
		most = max(most, (ls.cells[i].cpu+ls.cells[i].gc)/float64(ls.cell))
	}
	return max(float64(int(most+0.5)), 1)
}

// isFull says whether all Ps were busy in a cell, or wanted a CPU.
func (ls *loads) isFull(l *load) bool { return ls.idle(l) <= 0.1*float64(ls.cell)*ls.ps }

// idle is the time in a cell for which Ps were free: none are while the world stands still.
func (ls *loads) idle(l *load) float64 {
	return max(float64(ls.cell)*ls.ps-l.cpu-l.gc-l.denied-l.still*(ls.ps-1), 0)
}

// isStill says whether the world stood still in a cell.
func (ls *loads) isStill(l *load) bool { return 2*l.still > float64(ls.cell) }

// stillSince is when the stop of the world began that ended up to pollEvery before a moment, that moment if there was none.
func (ls *loads) stillSince(at int64) int64 {
	i := min(max((at-ls.From)/ls.cell, 0), int64(len(ls.cells)-1))
	for last := i - pollEvery/ls.cell; i > max(last, 0) && !ls.isStill(&ls.cells[i]); {
		i--
	}
	if !ls.isStill(&ls.cells[i]) {
		return at
	}
	for i > 0 && ls.isStill(&ls.cells[i-1]) {
		i--
	}
	return ls.From + i*ls.cell
}

// sumFull adds up, for each cell, for how long all Ps were busy before it: waits are as long as recordings, and many.
func (ls *loads) sumFull() {
	ls.full = make([]int64, len(ls.cells))
	for i := range ls.cells[1:] {
		ls.full[i+1] = ls.full[i]
		if ls.isFull(&ls.cells[i]) {
			ls.full[i+1] += ls.cell
		}
	}
}

// saturated is for how much of a stretch of time all Ps were busy.
func (ls *loads) saturated(s timeline.Span) int64 { return ls.fullUntil(s.To) - ls.fullUntil(s.From) }

// fullUntil is for how long all Ps were busy up to a moment.
func (ls *loads) fullUntil(at int64) int64 {
	at = min(max(at, ls.From), ls.To) - ls.From
	i := at / ls.cell
	if ls.isFull(&ls.cells[i]) {
		return ls.full[i] + at - i*ls.cell
	}
	return ls.full[i]
}
