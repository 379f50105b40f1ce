package timeline

// To have a P is not to have a CPU. What the recording saw of a thread's waits for one is in a goroutine's pieces; but a wait that is
// shorter than a scan, or in a system call, is in nobody's. The CPU time that the process had in all says how much that was: where
// its goroutines had Ps for longer, the rest of the time their threads had to wait.

const (
	// stolenLeast is the share of a cell that has to be missing: samples are some twenty in a cell.
	stolenLeast = 0.25
	// longestRun is more than the runtime lets a goroutine run, ns: a longer one is none, and not to be cut into cells.
	longestRun = int64(10e9)
	// shortCall is a system call, ns, that computes rather than waits.
	shortCall = int64(1e6)
)

// stolen finds the share of each cell's running time for which there was no CPU; onCPU is the process's CPU time.
func (b *Builder) stolen(onCPU cells) map[int64]float64 {
	if len(onCPU) == 0 {
		return nil // nobody sampled CPUs
	}
	running := cells{}
	for _, g := range b.Tracks {
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if b.runs(p) || p.Kind == Syscall && p.Length() < shortCall {
				running.spread(p.From, p.To)
			}
		}
	}
	lost := map[int64]float64{}
	for at, ns := range running {
		whole := at*cell >= b.From && (at+1)*cell <= b.To
		if share := 1 - float64(onCPU[at])/float64(ns); whole && ns > cell/4 && share > stolenLeast {
			lost[at] = share
		}
	}
	return lost
}

// runs says whether a goroutine has a P: also one that helps the collector, and none that waits for it.
func (b *Builder) runs(p *Piece) bool {
	name := b.States[p.State].Name
	return p.Length() < longestRun && (name == running.Name || name == "GC assist marking")
}

// takeStolen appends pieces with the end of what ran in a cell as a wait for a CPU, by the cell's share.
func (b *Builder) takeStolen(out, pieces []Piece, lost map[int64]float64) []Piece {
	preempted := b.State(State{Name: "preempted"})
	for _, p := range pieces {
		for at := p.From; at < p.To && b.runs(&p); {
			end := min((at/cell+1)*cell, p.To)
			border := end - int64(lost[at/cell]*float64(end-at))
			if at = end; border == end {
				continue
			}
			ran, waited := p, p
			ran.To, waited.From, waited.To, p.From = border, border, end, end
			waited.Kind, waited.State, waited.Guess = OSScheduler, preempted, true
			if ran.To > ran.From {
				out = append(out, ran)
			}
			out = append(out, waited)
		}
		if p.To > p.From {
			out = append(out, p)
		}
	}
	return out
}
