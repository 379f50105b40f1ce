package diff

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/render"
)

// markdownRows is how many rows a pull-request comment shows before it folds the rest.
const markdownRows = 10

// marks are the verdicts' signs: whoever skims looks for them.
var marks = map[Outcome]string{Improved: "✅", Same: "✅", Regressed: "❌", Undecided: "❔", Incomparable: "⚠️"}

// Marker is the first line of what is written in Markdown: by it a comment of before is found, to be replaced.
const Marker = "<!-- mayfly diff -->"

// writeMarkdown writes a comment for a pull request.
func writeMarkdown(out io.Writer, d *Document) error {
	w, r := bufio.NewWriter(out), d.Result
	fmt.Fprintln(w, Marker)
	fmt.Fprintf(w, "### %s mayfly diff: %s\n\n", marks[r.Outcome], printable.Markdown(r.Verdict()))
	fmt.Fprintf(w, "base: %s · new: %s\n\n", printable.Markdown(r.Base.title()), printable.Markdown(r.New.title()))
	for _, d := range r.Differences {
		fmt.Fprintf(w, "⚠️ %s\n\n", printable.Markdown(d))
	}
	r.markdownBudget(w)
	shown, folded := r.rowsByColumn()
	markdownTable(w, shown)
	if len(folded) > 0 {
		fmt.Fprintf(w, "<details><summary>%d rows more</summary>\n\n", len(folded))
		markdownTable(w, folded)
		fmt.Fprintf(w, "</details>\n\n")
	}
	for _, s := range r.History {
		fmt.Fprintf(w, "- %s\n", printable.Markdown("history: "+s.String()))
	}
	if len(r.History) > 0 {
		fmt.Fprintln(w)
	}
	if len(r.Columns) > 0 {
		fmt.Fprintf(w, "<sub>%s</sub>\n", printable.Markdown(strings.Join(r.footnotes(), " · ")))
	}
	return w.Flush()
}

// line is one row of the comment.
type line struct{ column, name, base, new, change, outcome string }

// foldedRows bounds what is folded: a comment has 65,536 characters.
const foldedRows = 200

// rowsByColumn are the lines that are shown, findings of all columns first, and those that are folded.
func (r *Result) rowsByColumn() (shown, folded []line) {
	var found, totals, rest []line
	for _, c := range r.Columns {
		for _, f := range c.Callers {
			found = append(found, line{c.title() + ", with all it calls", f.Name, c.estimate(f.Base, f.Row), c.estimate(f.New, f.Row),
				f.change() + " " + r.evidence(c, f.Row), string(f.Outcome)})
		}
		for _, row := range append([]Row{c.Total}, c.Rows...) {
			if !row.tested {
				continue
			}
			l := line{c.title(), row.Name, c.estimate(row.Base, row), c.estimate(row.New, row), row.change() + " " + r.evidence(c, row),
				string(row.Outcome)}
			switch {
			case row.Outcome == Regressed || row.Outcome == Improved:
				found = append(found, l)
			case row.Name == totalName:
				totals = append(totals, l)
			default:
				rest = append(rest, l)
			}
		}
	}
	all := append(append(found, totals...), rest...)
	n := min(len(all), markdownRows)
	return all[:n], all[n:min(len(all), n+foldedRows)]
}

func markdownTable(w io.Writer, lines []line) {
	if len(lines) == 0 {
		return
	}
	rows := [][]string{{"", "", "base", "new", "vs base", ""}}
	for _, l := range lines {
		outcome := l.outcome
		if outcome == string(Regressed) || outcome == string(Improved) {
			outcome = "**" + outcome + "**"
		}
		rows = append(rows, []string{l.column, printable.MarkdownCode(l.name), l.base, l.new, l.change, outcome})
	}
	render.Markdown(w, "<<>>><", rows)
	fmt.Fprintln(w)
}

func (r *Result) markdownBudget(w io.Writer) {
	if len(r.Budget) == 0 {
		return
	}
	rows := [][]string{{"budget", "measured", ""}}
	for _, l := range r.Budget {
		result := l.Result
		if result != LimitKept {
			result = "**" + result + "**"
		}
		rows = append(rows, []string{printable.MarkdownCode(l.String()), l.measured(), result})
	}
	render.Markdown(w, "<<<", rows)
	fmt.Fprintln(w)
}
