package blame

import "github.com/mayfly-profiler/mayfly/internal/timeline"

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
	top             map[timeline.Frame]float64
}

// loadCells fills in the cells from all tracks.
func (b *Blamer) loadCells() {
	b.cell = max(loadCell, (b.To-b.From)/mostCells)
	b.loads = make([]load, (b.To-b.From)/b.cell+2)
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if p.Kind == timeline.CPU || p.Kind == timeline.GC && b.States[p.State].Name == "running" || p.Kind.Denied() {
				b.addLoad(p)
			}
		}
	}
}

func (b *Blamer) addLoad(p *timeline.Piece) {
	b.eachCell(p.From, p.To, func(l *load, ns int64) {
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
			if l.top == nil {
				l.top = make(map[timeline.Frame]float64)
			}
			l.top[timeline.Frame{Fn: b.Place(p.Stack).Fn}] += float64(ns)
		}
	})
}

// eachCell calls visit for the cells of a stretch of time, with the ns that lie in each.
func (b *Blamer) eachCell(from, to int64, visit func(l *load, ns int64)) {
	from, to = max(from, b.From), min(to, b.To)
	for from < to {
		i := (from - b.From) / b.cell
		end := min(b.From+(i+1)*b.cell, to)
		visit(&b.loads[i], end-from)
		from = end
	}
}

// A quota that is used up holds all threads of the group. The kernel says of each that it is throttled when that one next
// gets to user space, or wants to run; so one says it for those that want a CPU at the same time. throttledPart is the share of
// those from which on it does.
const throttledPart = 0.25

// isThrottled says whether who wants a CPU in a cell gets none for the quota.
func (l *load) isThrottled() bool { return l.throttled > 0 && l.throttled >= throttledPart*l.denied }

// findSpender is the function that used most CPU time, and so most of a quota: the collector's is that of who allocates.
func (b *Blamer) findSpender() timeline.Frame {
	used := map[timeline.Frame]float64{}
	best := timeline.Nowhere
	add := func(f timeline.Frame, ns float64) {
		if used[f] += ns; f.Fn >= 0 && (best.Fn < 0 || used[f] > used[best] || used[f] == used[best] && f.Fn < best.Fn) {
			best = f
		}
	}
	for i := range b.loads {
		add(timeline.Frame{Fn: b.allocator.Fn}, b.loads[i].gc)
		for f, ns := range b.loads[i].top {
			add(f, ns)
		}
	}
	return best
}

// parallel is how many Ps the target has: what the recording says, else what was seen at once.
func (b *Blamer) parallel() float64 {
	if b.Procs > 0 {
		return float64(b.Procs)
	}
	most := 0.0
	for i := range b.loads {
		most = max(most, (b.loads[i].cpu+b.loads[i].gc)/float64(b.cell))
	}
	return max(float64(int(most+0.5)), 1)
}

// isFull says whether all Ps were busy in a cell, or wanted a CPU.
func (b *Blamer) isFull(l *load) bool { return l.cpu+l.gc+l.denied >= 0.9*float64(b.cell)*b.ps }

// sumFull adds up, for each cell, for how long all Ps were busy before it: waits are as long as recordings, and many.
func (b *Blamer) sumFull() {
	b.full = make([]int64, len(b.loads))
	for i := range b.loads[1:] {
		b.full[i+1] = b.full[i]
		if b.isFull(&b.loads[i]) {
			b.full[i+1] += b.cell
		}
	}
}

// saturated is for how much of a stretch of time all Ps were busy.
func (b *Blamer) saturated(s timeline.Span) int64 { return b.fullUntil(s.To) - b.fullUntil(s.From) }

// fullUntil is for how long all Ps were busy up to a moment.
func (b *Blamer) fullUntil(at int64) int64 {
	at = min(max(at, b.From), b.To) - b.From
	i := at / b.cell
	if b.isFull(&b.loads[i]) {
		return b.full[i] + at - i*b.cell
	}
	return b.full[i]
}
