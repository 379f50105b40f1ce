package main

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/mayfly-profiler/mayfly/internal/top"
)

// render draws the view.
func (v *topView) render() string {
	switch {
	case v.help:
		return v.helpText()
	case v.several:
		return v.renderSeveral()
	}
	return v.renderOne(v.processes.list[0])
}

// A line of several processes is a process, or a row of one that is unfolded.
type topLine struct {
	p   *topProcess
	row *top.Row // nil: the process itself
}

func (l topLine) place(i int) place {
	if l.row == nil {
		return place{l.p.pid, false, "", i}
	}
	return place{l.p.pid, true, l.row.Name, i}
}

// lines are all lines that pass the filter: of a process that passes it all rows do.
func (v *topView) lines() (lines []topLine) {
	for _, p := range v.processes.sorted(v.order) {
		var rows []top.Row
		filter := v.filter
		if strings.Contains(p.title(), filter) {
			filter = ""
		}
		if p.open && p.state() == "" {
			rows = v.rows(p, filter)
		}
		if filter != "" && len(rows) == 0 {
			continue
		}
		lines = append(lines, topLine{p, nil})
		for i := range rows {
			lines = append(lines, topLine{p, &rows[i]})
		}
	}
	return lines
}

// cursor is the index of the line that the cursor is on, -1 if there is none.
func (v *topView) cursor(lines []topLine) int {
	best := min(v.at.line, len(lines)-1)
	for i, l := range lines {
		at := l.place(v.at.line)
		if at == v.at {
			return i
		}
		if v.at.row && at.pid == v.at.pid && l.row == nil {
			best = i // its row is gone
		}
	}
	return best
}

// renderSeveral draws a row for each process, and its rows below those that are unfolded.
func (v *topView) renderSeveral() string {
	lines := v.lines()
	at := v.cursor(lines)
	var chosen *topProcess
	if at >= 0 {
		chosen = lines[at].p
	}
	names, rows, end := make([]string, len(lines)), []top.Row{}, int64(0)
	for i, l := range lines {
		names[i] = l.name(i == at)
		if l.row == nil && l.p.state() == "" {
			rows, end = append(rows, *l.p.total()), max(end, l.p.table.Start+l.p.table.Length)
		}
	}
	total := v.processes.total()
	text := []string{v.headline(nil), v.sum(end, &total), v.fit(v.processes.cost()), ""}
	form := v.form("  process", names, numbers[:always])
	text = append(text, v.bold(v.fit(form.head("  process"))))
	legend, footer := v.paints.legend(rows, v.width), v.footer(chosen)
	from, to := window(len(lines), at, max(v.height-len(text)-len(legend)-len(footer)-2, 1))
	for i := from; i < to; i++ {
		text = append(text, v.line(form, lines[i], names[i], i == at))
	}
	switch hidden := len(lines) - (to - from); {
	case len(lines) == 0 && v.filter != "":
		text = append(text, v.dim(v.fit("nothing matches the filter")))
	case len(lines) == 0:
		text = append(text, v.fit("no Go process has been found so far"))
	case hidden > 0:
		text = append(text, v.dim(v.fit(fmt.Sprintf("... and %d more", hidden))))
	default:
		text = append(text, "")
	}
	return strings.Join(append(append(text, legend...), footer...), "\n")
}

// window are the lines that are shown of n, if only room are: with the cursor in the middle, unless that is near an end.
func window(n, at, room int) (from, to int) {
	from = max(min(at-room/2, n-room), 0)
	return from, min(from+room, n)
}

// name is the first column of a line.
func (l topLine) name(chosen bool) string {
	mark := " "
	if chosen {
		mark = ">"
	}
	switch {
	case l.row != nil:
		return mark + "   " + rowName(l.p.table.By, l.row)
	case l.p.open:
		return mark + "▾ " + l.p.title()
	}
	return mark + "▸ " + l.p.title()
}

// line draws a line. A process that has no numbers says why.
func (v *topView) line(f form, l topLine, name string, chosen bool) string {
	style := func(s string) string { return s }
	if chosen {
		style = v.bold
	}
	if l.row != nil {
		return v.row(f, name, l.row)
	}
	if why := l.p.state(); why != "" {
		return v.dim(v.fit(pad(name, min(f.name, ansi.StringWidth(name))) + "  " + why))
	}
	return style(v.row(f, name, l.p.total()))
}
