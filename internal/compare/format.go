package compare

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/internal/flame"
	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/render"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Formats returns the ways to write a comparison.
func Formats() render.Formats[*Result] {
	return render.Formats[*Result]{
		{Name: "text", Write: writeText}, {Name: "markdown", Write: writeMarkdown},
		{Name: "json", Write: func(w io.Writer, r *Result) error { return render.JSON(w, r) }}, {Name: "html", Write: writeHTML},
	}
}

// shownFunctions is how many functions the tables have.
const shownFunctions = 15

// tables are what text, markdown and html show, each row a name and two cells.
func (r *Result) tables() []flame.Table {
	head := []string{"", r.name(), "mayfly"}
	cpu := flame.Table{Title: "CPU time", Head: head, Rows: [][]string{
		{"samples", fmt.Sprint(r.Default.Samples), fmt.Sprint(r.Mayfly.Samples)},
		{"CPU seen", r.Default.String(), r.Mayfly.String()},
	}}
	if r.Rusage > 0 {
		cpu.Rows = append(cpu.Rows, []string{fmt.Sprintf("of %s by rusage", Round(r.Rusage)),
			fmt.Sprintf("%.1f %%", Percent(r.Default.NS, r.Rusage)), fmt.Sprintf("%.1f %%", Percent(r.Mayfly.NS, r.Rusage))})
	}
	tables := []flame.Table{cpu}
	if labels := append(r.Labels[:len(r.Labels):len(r.Labels)], r.Unlabelled); len(r.Labels) > 0 {
		tables = append(tables, r.rows("CPU by label", labels))
	}
	tables = append(tables, r.rows("CPU by function", r.Functions[:min(len(r.Functions), shownFunctions)]), r.unseen())
	return append(tables, r.waitTable()...)
}

func (r *Result) name() string {
	if r.Decimated {
		return "100 Hz, decimated"
	}
	return "default profile"
}

func (r *Result) rows(title string, rows []Row) flame.Table {
	t := flame.Table{Title: title, Head: []string{"", r.name(), "mayfly", ""}}
	for _, row := range rows {
		t.Rows = append(t.Rows, []string{row.Name, cell(row.Default, r.Default), cell(row.Mayfly, r.Mayfly), differs(row)})
	}
	return t
}

// cell is "120ms ±21ms 12.0%".
func cell(c, of CPU) string {
	if c.NS == 0 {
		return c.String()
	}
	return fmt.Sprintf("%s %5.1f%%", c, Percent(c.NS, of.NS))
}

func differs(r Row) string {
	switch {
	case r.Differs:
		return "differs"
	case r.Default.NS == 0:
		return "unseen"
	}
	return ""
}

func (r *Result) unseen() flame.Table {
	t := flame.Table{Title: "Never seen by the default profile", Head: []string{"", r.name(), ""}, Rows: [][]string{
		{"labels with CPU time", fmt.Sprint(r.Unseen.Labels), ""},
		{"functions", fmt.Sprint(r.Unseen.Functions), fmt.Sprintf("%.1f %% of the CPU time", Percent(r.Unseen.FunctionNS, r.Mayfly.NS))},
	}}
	if n := r.Unseen.Goroutines; n > 0 {
		t.Rows = append(t.Rows, []string{fmt.Sprintf("goroutines, of %d that ran", n),
			fmt.Sprintf("at least %d", int64(n)-r.Unseen.AtMost), "it has one a sample at the most"})
	}
	for _, l := range r.Lifetimes {
		name := "goroutines of more CPU time"
		if l.Below > 0 {
			name = "goroutines of less than " + time.Duration(l.Below).String() + " of CPU"
		}
		t.Rows = append(t.Rows, []string{name, fmt.Sprintf("%.0f %% of %d", 100*(1-l.Default), l.Goroutines), "expected at 100 Hz at best"})
	}
	return t
}

// shownStates is how many states of a label are told.
const shownStates = 3

func (r *Result) waitTable() []flame.Table {
	if len(r.Waits) == 0 {
		return nil
	}
	t := flame.Table{Title: "Waiting, which no CPU profile can show", Head: []string{"", "off the CPU", "of its time", "most of it"}}
	for _, w := range r.Waits {
		var states []string
		for _, s := range w.States[:min(len(w.States), shownStates)] {
			states = append(states, fmt.Sprintf("%s %.0f %%", s.State, Percent(s.NS, w.Wall)))
		}
		t.Rows = append(t.Rows, []string{w.Label, Round(w.NS).String(), fmt.Sprintf("%.1f %%", Percent(w.NS, w.Wall)),
			strings.Join(states, ", ")})
	}
	return []flame.Table{t}
}

func (r *Result) notes() []string {
	notes := []string{"± is what counting that many samples leaves open, 95 %; \"differs\" is more than chance and bursts explain, over " +
		"all rows"}
	if r.Decimated {
		notes = append(notes, "there is no default profile of these seconds: its column is mayfly's own samples, decimated to 100 Hz; it has "+
			"the size of the default profile and not its faults")
	}
	if len(r.Labels) == 0 {
		notes = append(notes, "the program sets no labels (pprof.Do): waiting cannot be told apart by work")
	}
	return notes
}

func writeText(out io.Writer, r *Result) error {
	buffered := bufio.NewWriter(out)
	fmt.Fprintf(buffered, "%s\n", r.Sentence)
	for _, t := range r.tables() {
		fmt.Fprintf(buffered, "\n%s\n", t.Title)
		w := tabwriter.NewWriter(buffered, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, row := range append([][]string{t.Head}, t.Rows...) {
			fmt.Fprintf(w, "%s\t\n", strings.Join(row, "\t"))
		}
		w.Flush()
	}
	fmt.Fprintf(buffered, "\n%s\n", strings.Join(r.notes(), "\n"))
	return buffered.Flush()
}

func writeMarkdown(out io.Writer, r *Result) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "### mayfly compare: %s\n", printable.Markdown(r.Sentence))
	for _, t := range r.tables() {
		rows := [][]string{append([]string{"**" + t.Title + "**"}, t.Head[1:]...)}
		for _, row := range t.Rows {
			cells := []string{printable.MarkdownCode(row[0])}
			for _, c := range row[1:] {
				cells = append(cells, printable.Markdown(c))
			}
			rows = append(rows, cells)
		}
		fmt.Fprintln(w)
		render.Markdown(w, strings.Repeat("<", len(t.Head)), rows)
	}
	fmt.Fprintf(w, "\n<sub>%s</sub>\n", printable.Markdown(strings.Join(r.notes(), " · ")))
	return w.Flush()
}

func writeHTML(w io.Writer, r *Result) error {
	p := &flame.Page{Title: "mayfly compare", Verdict: r.Sentence, Class: "bad", Tables: r.tables(), Notes: r.notes()}
	if r.Fine {
		p.Class = "good"
	}
	p.Graphs = []flame.Graph{{Name: "cpu: default profile to mayfly, shares", Root: diff.Shares(sample.ColumnCPU, r.defaultProfile, r.mayfly)}}
	return flame.Write(w, p)
}
