package report

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
	top             map[frame]float64
}

// loads fills in the cells from all tracks.
func (b *blamer) loadCells() {
	b.cell = max(loadCell, (b.to-b.from)/mostCells)
	b.loads = make([]load, (b.to-b.from)/b.cell+2)
	for _, g := range b.tracks {
		for i := range g.pieces {
			p := &g.pieces[i]
			if p.kind == cpu || p.kind == gc && b.states[p.state].name == "running" || p.kind == osScheduler {
				b.addLoad(p)
			}
		}
	}
}

func (b *blamer) addLoad(p *piece) {
	b.eachCell(p.from, p.to, func(l *load, ns int64) {
		switch p.kind {
		case gc:
			l.gc += float64(ns)
		case osScheduler:
			l.denied += float64(ns)
		default:
			l.cpu += float64(ns)
			if l.top == nil {
				l.top = make(map[frame]float64)
			}
			l.top[frame{b.place(p.stack).fn, 0}] += float64(ns)
		}
	})
}

// eachCell calls visit for the cells of a stretch of time, with the ns that lie in each.
func (b *blamer) eachCell(from, to int64, visit func(l *load, ns int64)) {
	from, to = max(from, b.from), min(to, b.to)
	for from < to {
		i := (from - b.from) / b.cell
		end := min(b.from+(i+1)*b.cell, to)
		visit(&b.loads[i], end-from)
		from = end
	}
}

// parallel is how many Ps the target has: what the recording says, else what was seen at once.
func (b *blamer) parallel() float64 {
	if b.procs > 0 {
		return float64(b.procs)
	}
	most := 0.0
	for i := range b.loads {
		most = max(most, (b.loads[i].cpu+b.loads[i].gc)/float64(b.cell))
	}
	return max(float64(int(most+0.5)), 1)
}

// queueForP charges time that a goroutine was runnable to what the Ps were busy with, or wanted a CPU
// for: the collector, the program's own functions. If the program may use fewer Ps than there are CPUs,
// the want of Ps is the cause, whatever they ran.
func (b *blamer) queueForP(from, to int64, chain int32, out func(atom)) {
	b.eachCell(from, to, func(l *load, ns int64) {
		busy := l.cpu + l.gc
		denied := max(l.denied, float64(b.cell)*b.ps-busy)
		if busy <= 0 {
			out(atom{kind: goScheduler, at: nowhere, state: -1, ns: float64(ns), chain: chain, denied: l.denied > 0})
			return
		}
		lost := denied / (busy + denied)
		share := func(k kind, at frame, work float64) {
			a := atom{kind: k, at: at, state: -1, ns: float64(ns) * (1 - lost) * work / busy, chain: b.link(chain, link{goScheduler, at, behind})}
			out(a)
			a.ns, a.denied, a.chain = float64(ns)*lost*work/busy, true, b.link(chain, link{goScheduler, nowhere, behind})
			out(a)
		}
		if l.gc > 0 {
			share(gc, b.allocator, l.gc)
		}
		for f, c := range l.top {
			share(b.queued(), f, c)
		}
	})
}

// queued is what kind of cause it is that a goroutine's turn comes late.
func (b *blamer) queued() kind {
	if b.procs > 0 && b.cpus > b.procs {
		return goScheduler
	}
	return cpu
}

// pollEvery is how long it can take until the runtime looks at the network when no P is free to do
// so: sysmon does if nobody has for 10 ms, and itself sleeps for up to 10 ms.
const pollEvery = int64(20e6)

// unpolled charges the end of a network wait during which all Ps were busy to what they did: the
// reply may have been there, and nobody looked. It returns how much that was.
func (b *blamer) unpolled(p *piece, s span, chain int32, out func(atom)) (sum float64) {
	if s.to < p.to {
		return 0
	}
	full := 0.9 * float64(b.cell) * b.ps
	at := max(s.from, s.to-pollEvery)
	b.eachCell(at, s.to, func(l *load, ns int64) {
		if l.cpu+l.gc+l.denied >= full {
			b.queueForP(at, at+ns, chain, out)
			sum += float64(ns)
		}
		at += ns
	})
	return sum
}
