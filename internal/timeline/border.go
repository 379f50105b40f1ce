package timeline

import "slices"

// A recorder hands what it has seen on from time to time, and cuts what goes on in two then, of all
// goroutines at one moment. A goroutine that is in the same state with the same stack on both sides of such
// a border did nothing there.

// fewestCut is how many goroutines are cut in two at a border.
const fewestCut = 3

// heal joins the pieces that a border cut.
func (t *Timeline) heal() {
	cuts := map[int64]int{}
	for _, g := range t.Tracks {
		for i := 1; i < len(g.Pieces); i++ {
			if goesOn(&g.Pieces[i-1], &g.Pieces[i]) {
				cuts[g.Pieces[i].From]++
			}
		}
	}
	for _, g := range t.Tracks {
		kept := g.Pieces[:1]
		for _, p := range g.Pieces[1:] {
			if last := &kept[len(kept)-1]; cuts[p.From] >= fewestCut && goesOn(last, &p) {
				last.To, last.By, last.ByStack = p.To, p.By, p.ByStack
				continue
			}
			kept = append(kept, p)
		}
		g.Pieces = slices.Clip(kept)
	}
}

// goesOn says whether nothing differs between two pieces.
func goesOn(a, b *Piece) bool {
	return a.To == b.From && a.By == 0 && a.Stack == b.Stack && a.State == b.State && a.Labels == b.Labels && a.Guess == b.Guess
}
