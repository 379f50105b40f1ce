package diff

import (
	"io"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/flame"
	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// leastNode is the share of a column below which a frame is too small to be drawn.
const leastNode = 0.0005

// writeHTML writes one page: the verdict, the rows of the pull-request comment, and for each column
// the stacks of both sides in one flame graph.
func writeHTML(w io.Writer, d *Document) error {
	p := &flame.Page{Title: "mayfly diff", Verdict: d.Verdict(), Class: classes[d.Outcome]}
	if len(d.Columns) > 0 {
		p.Notes = append([]string{"base: " + d.Base.title(), "new: " + d.New.title()}, append(slices.Clone(d.Differences), d.footnotes()...)...)
	}
	shown, folded := d.rowsByColumn()
	if len(shown) > 0 {
		p.Tables = append(p.Tables, htmlTable("Rows", append(shown, folded[:min(len(folded), shownRows)]...)))
	}
	if len(d.Budget) > 0 {
		t := flame.Table{Title: "Budget", Head: []string{"limit", "measured", ""}}
		for _, l := range d.Budget {
			t.Rows = append(t.Rows, []string{l.String(), l.measured(), l.Result})
		}
		p.Tables = append(p.Tables, t)
	}
	for _, c := range d.drawn() {
		p.Graphs = append(p.Graphs, flame.Graph{Name: c.Name, Root: c.graph(d.Before, d.After)})
	}
	return flame.Write(w, p)
}

var classes = map[Outcome]string{Improved: "good", Same: "good", Regressed: "bad", Undecided: "open", Incomparable: "bad"}

func htmlTable(title string, lines []line) flame.Table {
	t := flame.Table{Title: title, Head: []string{"", "", "base", "new", "vs base", ""}}
	for _, l := range lines {
		t.Rows = append(t.Rows, []string{l.name, l.column, l.base, l.new, l.change, l.outcome})
	}
	return t
}

// Shares is the flame graph of one column of two profiles, each by its own shares.
func Shares(column string, before, after *profile.Profile) *flame.Node {
	c := Column{Name: column}
	return c.graph([]*profile.Profile{before}, []*profile.Profile{after})
}

// graph is the flame graph of the column. A value of the new side is its share of its side's column by scaling, which is the new
// side's scale by the base side's: 0 compares shares.
func (c *Column) graph(before, after []*profile.Profile) *flame.Node {
	root := &flame.Node{Name: "all"}
	for s, side := range [][]*profile.Profile{before, after} {
		c.grow(root, s, side)
	}
	switch whole := root.Base; {
	case whole > 0 && c.scaling > 0: // both sides are means of a profile
		scaleNode(root, 1/whole, 1/(whole*c.scaling))
	case root.Base > 0 || root.New > 0:
		scaleNode(root, 1/max(root.Base, 1), 1/max(root.New, 1))
	}
	root.Prune(leastNode, flame.ByName)
	return root
}

func (c *Column) grow(root *flame.Node, side int, profiles []*profile.Profile) {
	names := make(map[*profile.Function]string)
	for i, p := range profiles {
		w, ok := c.weigher(p, side, i)
		if !ok {
			continue
		}
		for _, s := range p.Sample {
			if v := w.of(s) / float64(len(profiles)); v > 0 {
				addStack(root, s, side, v, names)
			}
		}
	}
}

func addStack(n *flame.Node, s *profile.Sample, side int, v float64, names map[*profile.Function]string) {
	weigh(n, side, v)
	depth := 0
	call := func(name string) {
		if depth++; depth <= flame.Deepest {
			n = n.Child(name)
			weigh(n, side, v)
		}
	}
	for i := len(s.Location) - 1; i >= 0 && depth < flame.Deepest; i-- {
		l := s.Location[i]
		if len(l.Line) == 0 {
			call(samples.Unnamed(l))
		}
		for j := len(l.Line) - 1; j >= 0; j-- {
			call(nameOf(l.Line[j].Function, names))
		}
	}
}

func nameOf(f *profile.Function, names map[*profile.Function]string) string {
	if f == nil {
		return "[unknown]"
	}
	name, ok := names[f]
	if !ok {
		name = FuncName(f.Name)
		names[f] = name
	}
	return name
}

func weigh(n *flame.Node, side int, v float64) {
	if side == older {
		n.Base += v
	} else {
		n.New += v
	}
}

func scaleNode(n *flame.Node, base, after float64) {
	n.Base *= base
	n.New *= after
	for _, c := range n.Children {
		scaleNode(c, base, after)
	}
}
