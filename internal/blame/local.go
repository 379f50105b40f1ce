package blame

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// A peer on this host needs a CPU to answer, and gets few while the process itself has all of them, or others have that do not leave
// them to the process either. Whether that is why an answer takes long cannot be seen; but how long answers take there while CPUs are
// free can.

const (
	taken      = 0.8 // of the CPUs: from which on a peer is thought to get few
	fewAnswers = 5   // waits of which a median is known
)

// isTaken says whether the CPUs that the process may use were had in a cell, by the process or by those whom its threads waited for.
func (b *Blamer) isTaken(l *load) bool {
	all := float64(b.cell) * float64(b.CPUs)
	free := max(all-l.cpu-l.gc-l.denied, 0) * (1 - l.wanted)
	return b.CPUs > 0 && b.CPUs <= b.Procs && free <= (1-taken)*all
}

// crowded charges what the answer of a peer on this host takes longer than it does while CPUs are free to those who had them
// meanwhile. It returns how much that was.
func (b *Blamer) crowded(p *timeline.Piece, a Atom, s timeline.Span, via route, out func(Atom)) float64 {
	if a.State < 0 || !isLocal(b.States[a.State].Peer) {
		return 0
	}
	g := s.Track
	if via.wait != nil && via.wait.Kind == timeline.Network {
		p, g = via.wait, via.of // who waits for the goroutine that reads the connection
	}
	usual, ok := b.usual(p.Stack)
	if !ok {
		return 0
	}
	s.From = max(s.From, beginOf(p, g)+usual)
	via.proof, via.trust = Guessed, via.trust*timeTrust
	return b.queueWhile(b.isTaken, s, via, out)
}

// beginOf is when a wait for the network began: one that lasts is recorded in several pieces.
func beginOf(p *timeline.Piece, g *timeline.Track) int64 {
	i, _ := slices.BinarySearchFunc(g.Pieces, p.From, func(q timeline.Piece, at int64) int { return cmp.Compare(q.From, at) })
	begin := p.From
	for i--; i >= 0 && begin-g.Pieces[i].To < together; i-- {
		if q := &g.Pieces[i]; q.Kind == p.Kind && q.Stack == p.Stack {
			begin = q.From
		} else if waits(q.Kind) {
			break
		}
	}
	return begin
}

// isLocal says whether a peer is on this host for sure: its address is of the loopback, or it is a Unix socket.
func isLocal(peer string) bool {
	at, err := netip.ParseAddrPort(peer)
	return err == nil && at.Addr().IsLoopback() || peer == "unix" || strings.HasPrefix(peer, "unix:")
}

// usual is how long waits for the network with a stack take while CPUs are free: their median. It says
// whether there are enough of them.
func (b *Blamer) usual(stack int32) (ns int64, ok bool) {
	if b.usuals == nil {
		b.usuals = make(map[int32]int64)
		crowded := b.crowdedIn()
		for at, waits := range b.answers() {
			if waits = slices.DeleteFunc(waits, crowded); len(waits) >= fewAnswers {
				b.usuals[at] = median(waits)
			}
		}
	}
	ns, ok = b.usuals[stack]
	return ns, ok
}

// crowdedIn returns what says whether the CPUs were had for some of a stretch of time: there are many waits, as long as recordings.
func (b *Blamer) crowdedIn() func(timeline.Span) bool {
	before := make([]int32, len(b.loads.cells)+1) // how many cells before each they were had in
	for i := range b.loads.cells {
		before[i+1] = before[i]
		if b.isTaken(&b.loads.cells[i]) {
			before[i+1]++
		}
	}
	cell := func(at int64) int64 { return (min(max(at, b.From), b.To) - b.From) / b.cell }
	return func(s timeline.Span) bool { return before[cell(s.To-1)+1] > before[cell(s.From)] }
}
