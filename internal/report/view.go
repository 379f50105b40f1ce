package report

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/flame"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// What the page draws beyond the numbers: a heatmap of the window, the stacks of slow and fast
// requests side by side, and the worst requests moment by moment.

const (
	heatRows  = 50 // of a second
	worst     = 3
	mostParts = 2000 // pieces drawn for one request
)

// view is drawn by page.html.
type view struct {
	Heat   [][]beat    `json:"heat"`  // by second, then by fiftieth
	Graph  *flame.Node `json:"graph"` // mean time in fast and in slow requests, as shares of a slow request's
	Worst  []timelines `json:"worst"`
	States []shares    `json:"states"`
}

// beat is a fiftieth of a second: requests under way in it, and those of them that were slow.
type beat struct {
	All  float64 `json:"a"`
	Slow float64 `json:"s"`
}

// shares is one state's part of slow and of fast requests, in ms.
type shares struct {
	Kind timeline.Kind `json:"kind"`
	Slow float64       `json:"slow"`
	Fast float64       `json:"fast"`
}

// timelines is one request, its children, and who ended their waits. Times are ms since the request began.
type timelines struct {
	Name  string  `json:"name"`
	Start float64 `json:"start"` // ms since the window began
	Took  float64 `json:"took"`
	Rows  []row   `json:"rows"`
	Wakes []wake  `json:"wakes,omitempty"` // who let whom go on, where that is known
}

type row struct {
	Name  string `json:"name"`
	Parts []part `json:"parts"`
}

type part struct {
	From float64       `json:"f"`
	To   float64       `json:"t"`
	Kind timeline.Kind `json:"k"`
	What string        `json:"w"`
}

func (b reporter) newView(slow, fast []*timeline.Request, states States, rng *rand.Rand) *view {
	v := &view{Heat: b.heat(slow, fast), Graph: &flame.Node{Name: "requests"}}
	for k := range timeline.Kind(timeline.Kinds) {
		if s, f := states.Slow[k], states.Fast[k]; s+f > 0 {
			v.States = append(v.States, shares{k, ms(s), ms(f)})
		}
	}
	some, others := draw(slow, rng), draw(fast, rng)
	mean := meanLength(some)
	b.grow(v.Graph, some, func(n *flame.Node) *float64 { return &n.New }, 1/mean/float64(len(some)))
	b.grow(v.Graph, others, func(n *flame.Node) *float64 { return &n.Base }, 1/mean/float64(max(len(others), 1)))
	v.Graph.Prune(0.002, flame.ByGrowth)
	byLength := slices.Clone(slow)
	slices.SortStableFunc(byLength, func(a, b *timeline.Request) int { return cmp.Compare(b.Length(), a.Length()) })
	for _, q := range byLength[:min(len(byLength), worst)] {
		v.Worst = append(v.Worst, b.draw(q))
	}
	return v
}

// heat counts the requests under way in each fiftieth of a second.
func (b reporter) heat(slow, fast []*timeline.Request) [][]beat {
	const step = int64(1e9) / heatRows
	seconds := min((b.To-b.From+1e9-1)/1e9, 3600)
	heat := make([][]beat, seconds)
	for i := range heat {
		heat[i] = make([]beat, heatRows)
	}
	add := func(r *timeline.Request, to func(*beat) *float64) {
		last := min((r.To-b.From)/step, seconds*heatRows-1)
		for at := max((r.From-b.From)/step, 0); at <= last; at++ {
			*to(&heat[at/heatRows][at%heatRows])++
		}
	}
	for _, r := range slow {
		add(r, func(x *beat) *float64 { return &x.Slow })
		add(r, func(x *beat) *float64 { return &x.All })
	}
	for _, r := range fast {
		add(r, func(x *beat) *float64 { return &x.All })
	}
	return heat
}

// grow adds the stacks of requests' own goroutines, with the state on top.
func (b reporter) grow(root *flame.Node, rs []*timeline.Request, column func(*flame.Node) *float64, scale float64) {
	for _, r := range rs {
		r.Main.During(r.From, r.To, func(p *timeline.Piece, from, to int64) {
			ns := float64(to-from) * scale
			n := root
			*column(n) += ns
			frames := b.Stacks[p.Stack].Frames
			for _, f := range slices.Backward(frames[max(0, len(frames)-flame.Deepest):]) {
				n = n.Child(b.Funcs[f.Fn].Name)
				*column(n) += ns
			}
			n = n.Child("[" + b.States[p.State].Name + "]")
			*column(n) += ns
		})
	}
}

// draw is a request and those that its chain leads to.
func (b reporter) draw(r *timeline.Request) timelines {
	rows, waits := b.chain(r)
	tl := timelines{Name: b.NameOf(r), Start: ms(r.From - b.From), Took: ms(r.Length()), Rows: []row{}}
	for i, g := range rows {
		name := "request"
		if i > 0 {
			name = shortName(b.Started(g))
		}
		tl.Rows = append(tl.Rows, b.row(r, g, name))
	}
	tl.Wakes = b.wakes(r, rows, waits)
	return tl
}

func (b reporter) row(r *timeline.Request, g *timeline.Track, name string) row {
	out := row{Name: name, Parts: []part{}}
	g.During(r.From, r.To, func(p *timeline.Piece, from, to int64) {
		what := ""
		if f := b.Place(p.Stack); f.Fn >= 0 {
			what = shortName(b.Funcs[f.Fn].Name)
		}
		if n := len(out.Parts); n > 0 && out.Parts[n-1].Kind == p.Kind && out.Parts[n-1].What == what {
			out.Parts[n-1].To = ms(to - r.From)
		} else if n < mostParts {
			out.Parts = append(out.Parts, part{ms(from - r.From), ms(to - r.From), p.Kind, what})
		}
	})
	return out
}
