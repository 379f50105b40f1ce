package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// topView is all that the picture of top depends on: the same view is the same picture.
type topView struct {
	processes     topProcesses
	several       bool // each process is a row, and not the only one there is
	width, height int  // of the terminal, in cells
	paints        paints

	order  int    // index of orders
	filter string // only rows whose name contains it
	typing bool   // the filter is being typed
	paused bool
	help   bool
	at     place // of the cursor, among several
}

// place is where the cursor is: it stays with what it is on when lines move.
type place struct {
	pid  int
	row  bool
	name string // of the row
	line int    // where that was last, for when it is gone
}

// The cells of a line: the name, the numbers, the bar.
const (
	always      = 4 // numbers that each table has
	numberWidth = 9 // at least
	leastBar    = 8
	leastName   = 8
	mostName    = 40
)

// tableNumber is a column of numbers.
type tableNumber struct {
	name string
	of   func(*top.Row) string
}

// width is its cells.
func (n tableNumber) width() int { return max(numberWidth, len(n.name)+1) }

// numbers are those of time and of goroutines.
var numbers = []tableNumber{
	{"cpu", func(r *top.Row) string { return short(r.CPU) }},
	{"runnable", func(r *top.Row) string { return short(r.Runnable) }},
	{"blocked", func(r *top.Row) string { return short(r.Blocked) }},
	{"gorout.", func(r *top.Row) string { return strconv.Itoa(r.Goroutines) }},
	{"life p50", func(r *top.Row) string { return lives(r, func(l *sample.Lifetimes) int64 { return l.P50 }) }},
	{"p99", func(r *top.Row) string { return lives(r, func(l *sample.Lifetimes) int64 { return l.P99 }) }},
}

// lives is a percentile of lifetimes.
func lives(r *top.Row, of func(*sample.Lifetimes) int64) string {
	switch {
	case r.Lives == nil:
		return "-"
	case of(r.Lives) < 0:
		return "longer"
	case of(r.Lives) == 0:
		return "< scan"
	}
	return short(of(r.Lives))
}

// renderOne draws a process that is all there is.
func (v *topView) renderOne(p *topProcess) string {
	lines := []string{v.headline(p)}
	if p.table == nil {
		lines = append(lines, "", p.state())
		return strings.Join(append(lines, v.footer(p)...), "\n")
	}
	rows := v.rows(p, v.filter)
	form := v.form(heading(p.table.By), rowNames(p.table.By, rows), numbersOf(p.table))
	legend := v.paints.legend(rows, v.width)
	end := p.table.Start + p.table.Length
	lines = append(lines, v.sum(end, &p.table.Total), "", v.bold(form.head(heading(p.table.By))))
	room := max(v.height-len(lines)-len(legend)-len(v.footer(p))-2, 1)
	shown := rows
	if len(rows) > room {
		shown = rows[:max(room-1, 1)]
	}
	for i := range shown {
		lines = append(lines, v.row(form, rowName(p.table.By, &shown[i]), &shown[i]))
	}
	if hidden := len(rows) - len(shown); hidden > 0 {
		lines = append(lines, v.dim(v.fit(fmt.Sprintf("... and %d more", hidden))))
	}
	if len(rows) == 0 {
		lines = append(lines, v.dim(v.fit("nothing matches the filter")))
	}
	lines = append(append(lines, ""), legend...)
	return strings.Join(append(lines, v.footer(p)...), "\n")
}

// rows are those of a process that pass a filter, sorted.
func (v *topView) rows(p *topProcess, filter string) []top.Row {
	rows := slices.Clone(p.table.Rows)
	if filter != "" {
		rows = slices.DeleteFunc(rows, func(r top.Row) bool { return !strings.Contains(rowName(p.table.By, &r), filter) })
	}
	order(rows, v.order)
	return rows
}

func rowNames(by top.By, rows []top.Row) (names []string) {
	for i := range rows {
		names = append(names, rowName(by, &rows[i]))
	}
	return names
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

// form is how the lines of a table are divided, in cells.
type form struct {
	name, bar int // of the name, of the bar, 0: none
	numbers   []tableNumber
}

// numbersOf are the numbers of a table.
func numbersOf(t *top.Table) []tableNumber {
	all := append(numbers[:always:always], eventNumbers(t)...)
	if t.Lived() {
		all = append(all, numbers[always:]...)
	}
	return all
}

// eventNumbers are those of what was sampled beside time.
func eventNumbers(t *top.Table) (all []tableNumber) {
	for i, name := range t.Events {
		all = append(all, tableNumber{name, func(r *top.Row) string { return rough(r.Events[i]) }})
	}
	if t.HasPerCycle() {
		all = append(all, tableNumber{"ipc", func(r *top.Row) string { return fmt.Sprintf("%.2f", t.PerCycle(r)) }})
	}
	return all
}

// rough prints a number in at most six cells.
func rough(n int64) string {
	f, unit := float64(n), ""
	for _, unit = range []string{"", "k", "M", "G", "T"} {
		if f < 1000 {
			break
		}
		f /= 1000
	}
	if unit == "" {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%.1f%s", f, unit)
}

func widthOf(numbers []tableNumber) (w int) {
	for _, n := range numbers {
		w += n.width()
	}
	return w
}

// form gives a table as many of its numbers as leave room for names and bars; what a bar shows is the first to stay.
func (v *topView) form(heading string, names []string, all []tableNumber) form {
	f := form{name: max(leastName, ansi.StringWidth(heading)), numbers: all}
	for _, s := range names {
		f.name = max(f.name, ansi.StringWidth(s))
	}
	least := leastName
	if v.several {
		least = min(f.name, 2*leastName) // with a process id
	}
	for len(f.numbers) > 0 && v.width < least+widthOf(f.numbers)+2+leastBar {
		f.numbers = f.numbers[:len(f.numbers)-1]
	}
	rest := v.width - widthOf(f.numbers) - 2
	f.name = min(f.name, mostName, max(rest-max(rest/3, leastBar), least))
	if f.bar = rest - f.name; f.bar < leastBar {
		f.name, f.bar = max(min(rest+2, mostName), 1), 0
	}
	return f
}

func (f form) head(first string) string {
	s := pad(first, f.name)
	for _, n := range f.numbers {
		s += fmt.Sprintf("%*s", n.width(), n.name)
	}
	if f.bar > 0 {
		s += "  states"
	}
	return s
}

func (v *topView) row(f form, name string, r *top.Row) string {
	s := pad(name, f.name)
	for _, n := range f.numbers {
		s += fmt.Sprintf("%*s", n.width(), n.of(r))
	}
	if r.Name == "" && !v.several {
		s = v.dim(s)
	}
	if f.bar > 0 {
		s += "  " + v.paints.bar(r, f.bar)
	}
	return s
}

// headline says what is shown, of one process or, without, of several.
func (v *topView) headline(p *topProcess) string {
	s := "mayfly top  " + v.processes.count()
	if p != nil {
		s = fmt.Sprintf("mayfly top  %d %s", p.pid, p.name)
	}
	if p != nil && p.table != nil {
		s += "  by " + heading(p.table.By)
	}
	if p == nil || p.table != nil {
		s += "  sort " + orders[v.order].name
	}
	s += fmt.Sprintf("  every %s", v.processes.every)
	if v.filter != "" {
		s += fmt.Sprintf("  filter %q", v.filter)
	}
	if v.paused {
		s += "  PAUSED"
	}
	return v.bold(v.fit(s))
}

// sum is what all rows add up to, at the end of an interval.
func (v *topView) sum(end int64, t *top.Row) string {
	return v.fit(fmt.Sprintf("%s  cpu %s  runnable %s  blocked %s  goroutines %d",
		time.Unix(0, end).Format(time.TimeOnly), short(t.CPU), short(t.Runnable), short(t.Blocked), t.Goroutines))
}

// footer says what is missing of a process, and which keys there are. Without a process there is nothing of one to say.
func (v *topView) footer(p *topProcess) []string {
	var lines []string
	for _, note := range []string{v.processes.note, note(p, v.several)} {
		if note != "" {
			lines = append(lines, v.fit(printable.Line(note)))
		}
	}
	keys := "q quit  s sort  l label  f functions  p pause  / filter  ? help"
	if v.several {
		keys = "q quit  enter unfold  s sort  l label  f functions  p pause  / filter  ? help"
	}
	if v.typing {
		keys = "filter: " + v.filter + "_  (enter keeps it, esc drops it)"
	}
	return append(lines, v.dim(v.fit(keys)))
}

// note is what is to be known of a process.
func note(p *topProcess, named bool) string {
	switch {
	case p == nil:
		return ""
	case p.why != "" && strings.Contains(p.why, strconv.Itoa(p.pid)):
		return p.why
	case p.why != "":
		return fmt.Sprintf("%d: %s", p.pid, p.why)
	case p.missing != "" && named:
		return fmt.Sprintf("%d: missing: %s", p.pid, p.missing)
	case p.missing != "":
		return "missing: " + p.missing
	}
	return ""
}

const topHelp = `mayfly top shows, for each row, the time of its goroutines in one interval: on
a CPU, runnable (waiting for a P of the Go scheduler or for a CPU), and blocked
(waiting for anything else). Many goroutines have many seconds in one second.
The bar says how a row's time divides into states, whatever its length. Life is
for how long goroutines had a label, of those that were seen to take it since
top began: half of them for less than p50, all but one of 100 for less than p99.

  q, ctrl+c    quit              f  rows are functions
  s            next column to    t  rows are states
               sort by           p  pause, and go on
  l            next label key    /  show rows whose name contains a text
  ?            this help, and back

Of several processes:
  up, down     move              enter, right  unfold the process
  pgup, pgdn   move further      enter, left   fold it

A function is the innermost one outside the runtime, sync, syscall, time,
reflect and internal packages. Goroutines without labels that do nothing are
left out. Processes share the budget and the rate of samples.`

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
	if v.paints == noColours {
		return s
	}
	return lipgloss.NewStyle().Bold(true).Render(s)
}

func (v *topView) dim(s string) string {
	if v.paints == noColours {
		return s
	}
	return lipgloss.NewStyle().Faint(true).Render(s)
}
