package diff

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// shownRows is how many rows without a finding the text has.
const shownRows = 20

// writeText writes a table in benchstat's shape: ~ where nothing changed, p and n.
func writeText(out io.Writer, d *Document) error {
	buffered := bufio.NewWriter(out)
	w := tabwriter.NewWriter(buffered, 0, 0, 2, ' ', 0)
	r := d.Result
	fmt.Fprintf(w, "base: %s\nnew:  %s\n", r.Base.title(), r.New.title())
	for _, d := range r.Differences {
		fmt.Fprintf(w, "warning: %s\n", d)
	}
	for _, c := range r.Columns {
		fmt.Fprintf(w, "\n%s\tbase\tnew\tvs base\n", c.title())
		r.textRow(w, c, c.Total)
		rows, rest := split(c.Rows, shownRows)
		for _, row := range rows {
			r.textRow(w, c, row)
		}
		if more := summary(rest, c.Small); more != "" {
			fmt.Fprintf(w, "(%s)\n", more)
		}
		r.textCallers(w, c)
	}
	w.Flush()
	if len(r.Budget) > 0 {
		fmt.Fprintf(buffered, "\nbudget\n")
		for _, l := range r.Budget {
			fmt.Fprintf(w, "%s\t%s\t%s\n", l.String(), l.measured(), l.Result)
		}
		w.Flush()
	}
	if len(r.History) > 0 {
		fmt.Fprintf(buffered, "\nhistory\n")
		for _, s := range r.History {
			fmt.Fprintln(buffered, s)
		}
	}
	if len(r.Columns) > 0 {
		fmt.Fprintf(buffered, "\n%s\n", strings.Join(r.footnotes(), "\n"))
	}
	fmt.Fprintf(buffered, "%s\n", r.Verdict())
	return buffered.Flush()
}

// textCallers has what changed with all that it called.
func (r *Result) textCallers(w io.Writer, c Column) {
	if len(c.Callers) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s, with all that a function calls\tbase\tnew\tvs base\n", c.title())
	n := min(len(c.Callers), shownRows)
	for _, f := range c.Callers[:n] {
		r.textRow(w, c, f.Row)
		if below := f.below(c); below != "" {
			fmt.Fprintf(w, "  %s\n", below)
		}
	}
	if rest := len(c.Callers) - n; rest > 0 {
		fmt.Fprintf(w, "(%s more)\n", plural(rest, "function"))
	}
}

func (r *Result) textRow(w io.Writer, c Column, row Row) {
	if !row.tested {
		return
	}
	word := ""
	if row.Outcome != Same {
		word = "  " + string(row.Outcome)
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s %s%s\n", row.Name, c.estimate(row.Base, row), c.estimate(row.New, row), row.change(),
		r.evidence(c, row), word)
}

// split returns all rows with a finding and some of the others, and the rest.
func split(rows []Row, others int) (shown, rest []Row) {
	n := 0
	for n < len(rows) && (rows[n].Outcome == Regressed || rows[n].Outcome == Improved) {
		n++
	}
	n = min(len(rows), n+max(0, others-n))
	return rows[:n], rows[n:]
}

// summary counts the rows that are not shown.
func summary(rest []Row, small int) string {
	count := make(map[Outcome]int)
	for _, r := range rest {
		count[r.Outcome]++
	}
	var parts []string
	for _, o := range []Outcome{Same, Undecided} {
		if count[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[o], o))
		}
	}
	if small > 0 {
		parts = append(parts, fmt.Sprintf("%d with too few samples", small))
	}
	if len(parts) == 0 {
		return ""
	}
	return "more rows: " + strings.Join(parts, ", ")
}

// measured is the limit's value with its interval.
func (l *Limit) measured() string {
	switch {
	case l.Result == LimitUnmatched:
		return "no such row"
	case l.set["max_increase"] && l.Value > 1e300:
		return "new"
	case l.set["max_increase"]:
		return fmt.Sprintf("%s [%s, %s]", signed(l.Value), signed(l.Low), signed(l.High))
	case l.set["max_share"]:
		return fmt.Sprintf("%s [%s, %s]", percent(l.Value), percent(max(0, l.Low)), percent(l.High))
	}
	return fmt.Sprintf("%s [%s, %s]", duration(l.Value), duration(max(0, l.Low)), duration(l.High))
}
