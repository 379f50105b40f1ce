package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/mayfly-profiler/mayfly/internal/flame"
	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/internal/top"
)

// A bar shows how a row's time divides among the kinds of time, in the colours that they have on mayfly's pages. The legend has
// the states of each kind in the runtime's words, as pages have.

// glyphs are what kinds are drawn with where colours do not tell them apart.
var glyphs = [timeline.Kinds]string{
	timeline.CPU: "█", timeline.GoScheduler: "▓", timeline.OSScheduler: "▒", timeline.Quota: "░", timeline.GC: "g", timeline.Lock: "L",
	timeline.Pool: "p", timeline.Limit: "l", timeline.Children: "w", timeline.Channel: "c", timeline.Network: "n",
	timeline.Syscall: "s", timeline.Timer: "t", timeline.Stopped: "=", timeline.Unknown: "·",
}

// barOrder is the order of kinds in a bar: on a CPU, wanting one, waiting.
var barOrder = [timeline.Kinds]timeline.Kind{
	timeline.CPU, timeline.GoScheduler, timeline.OSScheduler, timeline.Quota, timeline.GC, timeline.Lock, timeline.Pool, timeline.Limit,
	timeline.Children, timeline.Channel, timeline.Network, timeline.Syscall, timeline.Timer, timeline.Stopped, timeline.Unknown,
}

// paints is what a terminal can show.
type paints uint8

const (
	noColours  paints = iota
	fewColours        // the sixteen of its theme: several kinds may have the same
	allColours
)

// paint draws n cells of a kind.
func (c paints) paint(k timeline.Kind, n int) string {
	glyph := glyphs[k]
	if c == allColours {
		glyph = "█"
	}
	s := strings.Repeat(glyph, n)
	if c == noColours || n == 0 {
		return s
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(flame.Colour(k))).Render(s)
}

// bar draws how a row's time divides, in n cells.
func (c paints) bar(r *top.Row, n int) string {
	var ns [timeline.Kinds]int64
	for _, s := range r.States {
		ns[timeline.KindOfState(s.Name)] += s.NS
	}
	cells := divide(ns[:], n)
	var b strings.Builder
	for _, k := range barOrder {
		b.WriteString(c.paint(k, cells[k]))
	}
	return b.String()
}

// divide gives each part its share of n cells, by largest remainders: the cells always add up to n,
// unless there is no time at all.
func divide(parts []int64, n int) []int {
	cells := make([]int, len(parts))
	var sum int64
	for _, ns := range parts {
		sum += ns
	}
	if sum == 0 {
		return cells
	}
	left := n
	rest := make([]int, len(parts)) // part indexes by remainder
	share := func(i int) float64 { return float64(parts[i]) / float64(sum) * float64(n) }
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

// mostNames is how many states of one kind the legend names.
const mostNames = 3

// legend names the states that rows have, by kind, the largest first, in as many lines of a width as it takes.
func (c paints) legend(rows []top.Row, width int) []string {
	var states [timeline.Kinds]map[string]int64
	for i := range rows {
		for _, s := range rows[i].States {
			k := timeline.KindOfState(s.Name)
			if states[k] == nil {
				states[k] = make(map[string]int64)
			}
			states[k][s.Name] += s.NS
		}
	}
	var lines []string
	line, used := "", 0
	for _, k := range barOrder {
		if len(states[k]) == 0 {
			continue
		}
		entry := ansi.Truncate(printable.Line(stateNames(states[k])), max(width-4, 1), "…")
		n := 4 + ansi.StringWidth(entry)
		if used+n > width && used > 0 {
			lines, line, used = append(lines, line), "", 0
		}
		line += ansi.Truncate(c.paint(k, 1)+" "+entry+"  ", width, "")
		used += n
	}
	return append(lines, line)
}

func stateNames(ns map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(ns), func(a, b string) int {
		return cmp.Or(cmp.Compare(ns[b], ns[a]), strings.Compare(a, b))
	})
	if len(names) > mostNames {
		names = append(names[:mostNames], "…")
	}
	return strings.Join(names, ", ")
}
