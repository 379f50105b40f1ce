package report

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// The worst requests are drawn with those who ended their waits: where pieces say who did, the goroutines that one has to look
// at are the request's own, those that it started, and whoever let these go on, the longest waits first.

const (
	mostRows  = 13
	mostKids  = 12
	mostWakes = 300
	wakeLeast = 500 // a wait is drawn with its end if it is longer than this part of the request
)

// wake is the end of a wait that another drawn goroutine made.
type wake struct {
	At   float64 `json:"at"`   // ms since the request began
	From int     `json:"from"` // the row of who ended it
	To   int     `json:"to"`   // the row of who waited
}

// ended is a wait that a goroutine ended, within a request.
type ended struct {
	of *timeline.Track
	p  *timeline.Piece
	ns int64
}

// endedIn are the waits of a goroutine that others ended within a request and that are not too short to draw.
func (b reporter) endedIn(r *timeline.Request, g *timeline.Track) (all []ended) {
	g.During(r.From, r.To, func(p *timeline.Piece, from, to int64) {
		if p.By > 0 && p.By != g.Goid && p.To <= r.To && (to-from)*wakeLeast >= r.Length() && b.ByID[p.By] != nil {
			all = append(all, ended{g, p, to - from})
		}
	})
	return all
}

// chain is who is drawn of a request: its goroutine, those that it started and that do not only run beside it, and then, as long
// as there is room, who ended the longest of their waits, and so on.
func (b reporter) chain(r *timeline.Request) (rows []*timeline.Track, waits []ended) {
	rows = append(rows, r.Main)
	waits = b.endedIn(r, r.Main)
	add := func(g *timeline.Track) {
		rows = append(rows, g)
		waits = append(waits, b.endedIn(r, g)...)
	}
	kids := slices.DeleteFunc(slices.Clone(r.Kids), func(k *timeline.Track) bool {
		return k == r.Main || !k.Alive(r.From, r.To) || b.Beside(k.Pieces[0].Stack)
	})
	slices.SortStableFunc(kids, func(a, c *timeline.Track) int { return cmp.Compare(a.Pieces[0].From, c.Pieces[0].From) })
	for _, k := range kids[:min(len(kids), mostKids)] {
		add(k)
	}
	for len(rows) < mostRows {
		var next *timeline.Track
		longest := int64(0)
		for _, w := range waits {
			if u := b.ByID[w.p.By]; w.ns > longest && !slices.Contains(rows, u) {
				next, longest = u, w.ns
			}
		}
		if next == nil {
			break
		}
		add(next)
	}
	return rows, waits
}

// wakes are the ends of waits between the drawn goroutines, the longest waits' if there are many.
func (b reporter) wakes(r *timeline.Request, rows []*timeline.Track, waits []ended) (out []wake) {
	slices.SortStableFunc(waits, func(a, c ended) int { return cmp.Compare(c.ns, a.ns) })
	for _, w := range waits[:min(len(waits), mostWakes)] {
		if from := slices.Index(rows, b.ByID[w.p.By]); from >= 0 {
			out = append(out, wake{ms(w.p.To - r.From), from, slices.Index(rows, w.of)})
		}
	}
	slices.SortStableFunc(out, func(a, c wake) int { return cmp.Compare(a.At, c.At) })
	return out
}

func ms(ns int64) float64 { return float64(ns/1000) / 1000 }
