// Package flame writes one self-contained HTML page: a sentence, tables, and a differential flame
// graph to search and to zoom into. The page needs no network, and forbids itself to use one.
//
// The graph is drawn into a canvas by web/graph.js, here and on all other pages. Scripts and styles are put into the pages as
// they are: there is nothing to build.
package flame

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
)

//go:embed web/graph.js
var graph string

//go:embed web/diff.js
var diff string

//go:embed web/graph.css
var style string

//go:embed page.html
var pageText string

// Script draws flame graphs into a canvas, for all pages: class FlameGraph, a function that makes trees of nodes what it
// draws, and the colours that states, functions and changes have.
var Script = "\"use strict\";\n" + kindsScript() + colours + graph + diff

// Style is what FlameGraph needs, and the colours of light and dark pages.
var Style = style

var page = template.Must(template.New("page").Parse(pageText))

// Deepest is how many frames of a stack are drawn: hostile ones have millions, and trees are walked by recursion.
const Deepest = 500

// Page is what is written.
type Page struct {
	Title   string
	Verdict string // the sentence on top
	Class   string // of the verdict: "good", "bad" or "open"
	Tables  []Table
	Graphs  []Graph
	Notes   []string
}

// Table is a table of text. The first column is left, the others are right aligned.
type Table struct {
	Title string
	Head  []string
	Rows  [][]string
}

// Graph is one flame graph.
type Graph struct {
	Name string `json:"name"`
	Root *Node  `json:"root"`
}

// Node is a frame with what is above it. Values are shares of the base side's whole, of both sides.
type Node struct {
	Name     string  `json:"name"`
	Base     float64 `json:"base"`
	New      float64 `json:"new"`
	Children []*Node `json:"children,omitempty"`

	index map[string]*Node
}

// Child returns the child of that name, which it makes if need be.
func (n *Node) Child(name string) *Node {
	c := n.index[name]
	if c == nil {
		c = &Node{Name: name}
		if n.index == nil {
			n.index = make(map[string]*Node)
		}
		n.index[name] = c
		n.Children = append(n.Children, c)
	}
	return c
}

// Prune drops what is smaller than least on both sides, and sorts children by an order: ByName or ByGrowth.
func (n *Node) Prune(least float64, order func(a, b *Node) int) {
	n.Children = slices.DeleteFunc(n.Children, func(c *Node) bool { return c.Base < least && c.New < least })
	slices.SortFunc(n.Children, order)
	for _, c := range n.Children {
		c.Prune(least, order)
	}
}

// ByName orders nodes by name.
func ByName(a, b *Node) int { return cmp.Compare(a.Name, b.Name) }

// ByGrowth puts the node first that grew most.
func ByGrowth(a, b *Node) int { return cmp.Or(cmp.Compare(b.New-b.Base, a.New-a.Base), ByName(a, b)) }

// Write writes the page.
func Write(w io.Writer, p *Page) error {
	graphs, err := json.Marshal(p.Graphs) // escapes <, > and &: nothing in a name can end the element
	if err != nil {
		return fmt.Errorf("write html: %w", err)
	}
	if len(p.Graphs) == 0 {
		graphs = []byte("[]")
	}
	err = page.Execute(w, struct {
		*Page
		Style  template.CSS
		Script template.JS
		Data   template.JS
	}{p, template.CSS(Style), template.JS(Script + "const graph = showGraphs();\n"), template.JS(graphs)})
	if err != nil {
		return fmt.Errorf("write html: %w", err)
	}
	return nil
}
