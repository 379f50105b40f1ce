package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A bar has a paint for each state: colours, or letters where there are none. There are more wait
// reasons than colours that eyes can tell apart, so the largest ones have paints and the rest is
// "other". A state that has a paint keeps it from one interval to the next.

// paint is how a state looks in a bar: an ANSI colour of the terminal's own theme, or a glyph.
type paint struct {
	colour lipgloss.ANSIColor
	glyph  string
}

// fixed are the states that every program has, in the order of the bar.
var fixed = []struct {
	state sample.State
	paint paint
}{
	{sample.Running, paint{2, "█"}}, // green
	{sample.Runnable, paint{3, "▓"}},
	{sample.Preempted, paint{208, "▒"}},
	{sample.Throttled, paint{1, "░"}},
	{sample.Syscall, paint{6, "s"}},
	{sample.Stopped, paint{7, "="}},
}

// waitPaints are for wait reasons, by slot.
var waitPaints = []paint{{4, "a"}, {5, "b"}, {13, "c"}, {12, "d"}, {14, "e"}, {11, "f"}}

var otherPaint = paint{8, "·"}

const other = "other"

// part is a state of a bar, or all states that have no paint.
type part struct {
	name  string
	paint paint
	ns    int64
}

// parts divides a row's time by paint, in the order of the bar.
func (v *topView) parts(r *top.Row) []part {
	all := make([]part, 0, len(fixed)+len(v.waits)+1)
	for _, f := range fixed {
		all = append(all, part{string(f.state), f.paint, 0})
	}
	for i, w := range v.waits {
		all = append(all, part{w, waitPaints[i], 0})
	}
	all = append(all, part{other, otherPaint, 0})
	for _, s := range r.States {
		i := slices.IndexFunc(all, func(p part) bool { return p.name == s.Name })
		if i < 0 {
			i = len(all) - 1
		}
		all[i].ns += s.NS
	}
	return all
}

// bar draws how a row's time divides, in n cells.
func (v *topView) bar(r *top.Row, n int) string {
	parts := v.parts(r)
	cells := divide(parts, n)
	var b strings.Builder
	for i, p := range parts {
		b.WriteString(v.paint(p.paint, cells[i]))
	}
	return b.String()
}

func (v *topView) paint(p paint, n int) string {
	switch {
	case n == 0:
		return ""
	case v.colour:
		return lipgloss.NewStyle().Foreground(p.colour).Render(strings.Repeat("█", n))
	}
	return strings.Repeat(p.glyph, n)
}

// divide gives each part its share of n cells, by largest remainders: the cells always add up to n,
// unless there is no time at all.
func divide(parts []part, n int) []int {
	cells := make([]int, len(parts))
	var sum int64
	for _, p := range parts {
		sum += p.ns
	}
	if sum == 0 {
		return cells
	}
	left := n
	rest := make([]int, len(parts)) // part indexes by remainder
	share := func(i int) float64 { return float64(parts[i].ns) / float64(sum) * float64(n) }
	for i := range parts {
		rest[i] = i
		cells[i] = int(share(i))
		left -= cells[i]
	}
	slices.SortStableFunc(rest, func(a, b int) int {
		return cmp.Compare(share(b)-float64(cells[b]), share(a)-float64(cells[a]))
	})
	for _, i := range rest[:max(min(left, len(rest)), 0)] {
		cells[i]++
	}
	return cells
}

// slots gives wait reasons their paints: those that had one keep it while they are among the larger
// ones, free ones go to the largest that have none. Large is the sum of the shares of all rows, so
// that one row of many parked goroutines does not take all.
func slots(had []string, t *top.Table) []string {
	ranked := rank(t)
	keep := make([]string, len(had))
	for i, w := range had {
		if slices.Contains(ranked[:min(len(ranked), 2*len(waitPaints))], w) {
			keep[i] = w
		}
	}
	for _, w := range ranked {
		if slices.Contains(keep, w) {
			continue
		}
		if i := slices.Index(keep, ""); i >= 0 {
			keep[i] = w
		} else if len(keep) < len(waitPaints) {
			keep = append(keep, w)
		}
	}
	return keep
}

// rank lists the wait reasons of a table, the largest first. What goroutines without the label do
// (the runtime's own, mostly) counts only if there are no others.
func rank(t *top.Table) []string {
	shares := make(map[string]float64)
	for i := range t.Rows {
		if t.Rows[i].Name == "" && len(t.Rows) > 1 {
			continue
		}
		for _, s := range t.Rows[i].States {
			shares[s.Name] += float64(s.NS) / float64(max(t.Rows[i].Wall(), 1))
		}
	}
	for _, f := range fixed {
		delete(shares, string(f.state))
	}
	return slices.SortedFunc(maps.Keys(shares), func(a, b string) int {
		return cmp.Or(cmp.Compare(shares[b], shares[a]), strings.Compare(a, b))
	})
}

// legend names the paints that the rows have, in as many lines as it takes.
func (v *topView) legend(rows []top.Row) []string {
	used := make([]bool, len(fixed)+len(v.waits)+1)
	var names []part
	for i := range rows {
		for k, p := range v.parts(&rows[i]) {
			used[k] = used[k] || p.ns > 0
		}
	}
	for k, p := range v.parts(&top.Row{}) {
		if used[k] && p.name != "" {
			names = append(names, p)
		}
	}
	var lines []string
	line, width := "", 0
	for _, p := range names {
		entry := ansi.Truncate(printable.Line(p.name), max(v.width-4, 1), "…")
		if n := 4 + ansi.StringWidth(entry); width+n > v.width && width > 0 {
			lines, line, width = append(lines, line), "", 0
		}
		line += v.paint(p.paint, 1) + " " + entry + "  "
		width += 4 + ansi.StringWidth(entry)
	}
	return append(lines, line)
}
