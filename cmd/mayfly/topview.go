package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/mayfly-profiler/mayfly/internal/compare"
	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/top"
)

// topView is all that the picture of top depends on: the same view is the same picture.
type topView struct {
	pid           int
	name          string // of the program
	every         time.Duration
	width, height int // of the terminal, in cells
	colour        bool

	table  *top.Table // of the last interval; nil before the first
	order  int        // index of orders
	filter string     // only rows whose name contains it
	typing bool       // the filter is being typed
	paused bool
	help   bool
	waits  []string // wait reasons that have a paint of their own, by slot; see slots
	note   string   // what is missing, or why it ended
}

// The cells of a line: the name, four numbers, the bar.
const (
	numberWidth = 9
	numbers     = 4 * numberWidth
	leastBar    = 8
	leastName   = 8
	mostName    = 40
)

// render draws the view.
func (v *topView) render() string {
	if v.help {
		return v.helpText()
	}
	lines := []string{v.headline()}
	if v.table == nil {
		lines = append(lines, "", "recording the first interval ...")
		return strings.Join(append(lines, v.footer()...), "\n")
	}
	rows := v.rows()
	name, bar := v.columns(rows)
	legend := v.legend(rows)
	lines = append(lines, v.sum(), "", v.header(name, bar))
	room := max(v.height-len(lines)-len(legend)-len(v.footer())-2, 1)
	shown := rows
	if len(rows) > room {
		shown = rows[:max(room-1, 1)]
	}
	for i := range shown {
		lines = append(lines, v.row(&shown[i], name, bar))
	}
	if hidden := len(rows) - len(shown); hidden > 0 {
		lines = append(lines, v.dim(fmt.Sprintf("... and %d more", hidden)))
	}
	if len(rows) == 0 {
		lines = append(lines, v.dim("nothing matches the filter"))
	}
	lines = append(append(lines, ""), legend...)
	return strings.Join(append(lines, v.footer()...), "\n")
}

// rows are those that pass the filter, sorted.
func (v *topView) rows() []top.Row {
	rows := slices.Clone(v.table.Rows)
	if v.filter != "" {
		rows = slices.DeleteFunc(rows, func(r top.Row) bool { return !strings.Contains(rowName(v.table.By, &r), v.filter) })
	}
	order(rows, v.order)
	return rows
}

// rowName is what a row is called. Names come from the target: they are made printable here.
func rowName(by top.By, r *top.Row) string {
	switch {
	case r.Name != "" && by.Kind == top.Func:
		return printable.Line(base(r.Name))
	case r.Name != "":
		return printable.Line(r.Name)
	case by.Kind == top.Label:
		return "(no " + printable.Line(by.Key) + ")"
	}
	return "(no stack)"
}

// base takes the folders off a function's import path. The arguments of a generic function have
// paths of their own, which stay.
func base(name string) string {
	path := name[:len(name)-len(strings.TrimLeftFunc(name, func(r rune) bool { return r != '(' && r != '[' }))]
	return name[strings.LastIndexByte(path, '/')+1:]
}

// heading is what rows stand for.
func heading(by top.By) string {
	switch by.Kind {
	case top.Label:
		return printable.Line(by.Key)
	case top.Func:
		return "function"
	}
	return string(by.Kind)
}

// columns are the widths of the name and of the bar, 0 for no bar.
func (v *topView) columns(rows []top.Row) (name, bar int) {
	name = max(leastName, ansi.StringWidth(heading(v.table.By)))
	for i := range rows {
		name = max(name, ansi.StringWidth(rowName(v.table.By, &rows[i])))
	}
	rest := v.width - numbers - 2
	name = min(name, mostName, max(rest-max(rest/3, leastBar), leastName))
	if bar = rest - name; bar < leastBar {
		return max(min(rest+2, mostName), 1), 0
	}
	return name, bar
}

func (v *topView) headline() string {
	s := fmt.Sprintf("mayfly top  %d %s", v.pid, v.name)
	if v.table != nil {
		s += "  by " + heading(v.table.By) + "  sort " + orders[v.order].name
	}
	s += fmt.Sprintf("  every %s", v.every)
	if v.filter != "" {
		s += fmt.Sprintf("  filter %q", v.filter)
	}
	if v.paused {
		s += "  PAUSED"
	}
	return v.bold(v.fit(s))
}

func (v *topView) sum() string {
	t := &v.table.Total
	return v.fit(fmt.Sprintf("%s  cpu %s  runnable %s  blocked %s  goroutines %d",
		time.Unix(0, v.table.Start+v.table.Length).Format(time.TimeOnly), short(t.CPU), short(t.Runnable), short(t.Blocked), t.Goroutines))
}

func (v *topView) header(name, bar int) string {
	s := pad(heading(v.table.By), name)
	for _, h := range []string{"cpu", "runnable", "blocked", "gorout."} {
		s += fmt.Sprintf("%*s", numberWidth, h)
	}
	if bar > 0 {
		s += "  states"
	}
	return v.bold(v.fit(s))
}

func (v *topView) row(r *top.Row, name, bar int) string {
	s := pad(rowName(v.table.By, r), name)
	for _, ns := range []int64{r.CPU, r.Runnable, r.Blocked} {
		s += fmt.Sprintf("%*s", numberWidth, short(ns))
	}
	s += fmt.Sprintf("%*d", numberWidth, r.Goroutines)
	if r.Name == "" {
		s = v.dim(s)
	}
	if bar > 0 {
		s += "  " + v.bar(r, bar)
	}
	return s
}

func (v *topView) footer() []string {
	var lines []string
	if v.note != "" {
		lines = append(lines, v.fit(printable.Line(v.note)))
	}
	keys := "q quit  s sort  l label  f functions  p pause  / filter  ? help"
	if v.typing {
		keys = "filter: " + v.filter + "_  (enter keeps it, esc drops it)"
	}
	return append(lines, v.dim(v.fit(keys)))
}

const topHelp = `mayfly top shows, for each row, the time of its goroutines in one interval: on a CPU,
runnable (waiting for a P of the Go scheduler or for a CPU), and blocked (waiting for
anything else). Many goroutines have many seconds in one second. The bar says how a
row's time divides into states, whatever its length.

  q, ctrl+c  quit              f  rows are functions
  s          next column to    t  rows are states
             sort by           p  pause, and go on
  l          next label key    /  show rows whose name contains a text
  ?          this help, and back

A function is the innermost one outside the runtime, sync, syscall, time, reflect
and internal packages. Goroutines without labels that do nothing are left out.`

func (v *topView) helpText() string {
	lines := strings.Split(topHelp, "\n")
	for i := range lines {
		lines[i] = v.fit(lines[i])
	}
	return strings.Join(lines, "\n")
}

// short prints a duration in at most six cells.
func short(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d == 0:
		return "0"
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", max(d.Microseconds(), 1))
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0fms", float64(d)/1e6)
	case d < 100*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// pad makes s exactly n cells wide.
func pad(s string, n int) string {
	s = ansi.Truncate(s, n, "…")
	return s + strings.Repeat(" ", max(n-ansi.StringWidth(s), 0))
}

// fit cuts a line that the terminal would wrap.
func (v *topView) fit(s string) string { return ansi.Truncate(s, v.width, "…") }

func (v *topView) bold(s string) string {
	if !v.colour {
		return s
	}
	return lipgloss.NewStyle().Bold(true).Render(s)
}

func (v *topView) dim(s string) string {
	if !v.colour {
		return s
	}
	return lipgloss.NewStyle().Faint(true).Render(s)
}

// textTable is a table for a log, of so many rows, 0 for all: no picture, the states in words.
func textTable(pid int, t *top.Table, most int) string {
	rows := t.Rows
	if most > 0 && len(rows) > most {
		rows = rows[:most]
	}
	var b strings.Builder
	end := time.Unix(0, t.Start+t.Length)
	fmt.Fprintf(&b, "%s  pid %d, %s by %s\n", end.Format(time.DateTime), pid, short(t.Length), heading(t.By))
	name := max(ansi.StringWidth(heading(t.By)), len("(total)"))
	for i := range rows {
		name = max(name, ansi.StringWidth(rowName(t.By, &rows[i])))
	}
	name = min(name, 2*mostName)
	fmt.Fprintf(&b, "%s%9s%9s%9s%12s  states\n", pad(heading(t.By), name), "cpu", "runnable", "blocked", "goroutines")
	for i := range rows {
		b.WriteString(textRow(rowName(t.By, &rows[i]), name, &rows[i]))
	}
	if n := len(t.Rows) - len(rows); n > 0 {
		fmt.Fprintf(&b, "... and %d more\n", n)
	}
	b.WriteString(textRow("(total)", name, &t.Total))
	return b.String()
}

func textRow(name string, width int, r *top.Row) string {
	var states []string
	for i, s := range r.States[:min(len(r.States), 4)] {
		if share := compare.Percent(s.NS, r.Wall()); i == 0 || share >= 1 {
			states = append(states, fmt.Sprintf("%s %.0f %%", printable.Line(s.Name), share))
		}
	}
	return fmt.Sprintf("%s%9s%9s%9s%12d  %s\n", pad(name, width), short(r.CPU), short(r.Runnable), short(r.Blocked), r.Goroutines,
		cmp.Or(strings.Join(states, ", "), "-"))
}
