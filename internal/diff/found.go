package diff

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// findings are the changes that decide the outcome: those of rows, which are what is to blame, and those of the work and of totals,
// which are what it did. Both as text, the largest of a column first.
type findings struct{ rows, effects []string }

// found names the largest change of a row that decides the outcome and what came of it, and counts the others.
func (r *Result) found() string {
	var f findings
	for _, c := range r.Columns {
		f.add(c, r.Outcome)
	}
	left := len(f.rows) + len(f.effects) - 1
	text := ""
	switch {
	case len(f.rows) == 0 && len(f.effects) == 0:
		return ""
	case len(f.rows) == 0:
		text = f.effects[0]
	case len(f.effects) == 0:
		text = f.rows[0]
	default:
		text = fmt.Sprintf("%s (%s)", f.rows[0], f.effects[0])
		left--
	}
	if left > 0 {
		text += fmt.Sprintf(", and %d more", left)
	}
	return text
}

// add adds a column's findings. A function that changed both by itself and with what it calls is one.
func (f *findings) add(c Column, outcome Outcome) {
	own := make(map[string]Row)
	for _, row := range c.Rows {
		if row.Outcome == outcome {
			own[row.Name] = row
		}
	}
	named := make(map[string]bool)
	var rows []sized
	for _, x := range c.Callers {
		if x.Outcome != outcome {
			continue
		}
		named[x.Name] = true
		size := math.Abs(x.Change.Abs)
		if row, ok := own[x.Name]; ok && row.Change.Abs/x.Change.Abs >= 0.5 {
			rows = append(rows, sized{row, size})
			continue
		}
		x.Name += " with all it calls"
		rows = append(rows, sized{x.Row, size})
	}
	for _, row := range c.Rows {
		switch {
		case row.Outcome != outcome || named[row.Name]:
		case c.Unit == unitEach:
			f.effects = append(f.effects, c.finding(row))
		default:
			rows = append(rows, sized{row, math.Abs(row.Change.Abs)})
		}
	}
	slices.SortStableFunc(rows, func(a, b sized) int { return cmp.Compare(b.size, a.size) })
	for _, row := range rows {
		f.rows = append(f.rows, c.finding(row.Row))
	}
	if c.Total.Outcome == outcome {
		f.effects = append(f.effects, c.finding(c.Total))
	}
}

// sized is a row with how large its change is, with that of what it calls where both changed.
type sized struct {
	Row
	size float64
}

// finding is "main.f +31.5% cpu".
func (c Column) finding(row Row) string {
	_, against := row.found()
	return fmt.Sprintf("%s %s %s%s", c.label(row), strings.TrimSuffix(row.change(), against), c.Name, against)
}
