package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/mayfly-profiler/mayfly/internal/flame"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// seen is an interval of the demo, with a name that wants to harm the terminal.
func seen() *top.Table {
	ms := func(n int64) int64 { return n * 1e6 }
	t := &top.Table{By: top.By{Kind: top.Label, Key: "endpoint"}, Start: 1e18, Length: 1e9, Rows: []top.Row{
		{Name: "/fulfil", CPU: ms(480), Runnable: ms(4360), Blocked: ms(4690), Goroutines: 61, States: []top.StateTime{
			{Name: "runnable", NS: ms(4310)}, {Name: "sync.Mutex.Lock", NS: ms(3790)}, {Name: "sync.WaitGroup.Wait", NS: ms(890)},
			{Name: "running", NS: ms(480)}, {Name: "preempted", NS: ms(50)}, {Name: "syscall", NS: ms(10)}}},
		{Name: "/status\x1b[2J and a name that is too long for any column of a table 表", CPU: 700e3, Blocked: ms(3),
			Goroutines: 1, States: []top.StateTime{
				{Name: "IO wait", NS: ms(3)}, {Name: "running", NS: 700e3}}},
		{Name: "", CPU: ms(902), Blocked: ms(71360), Goroutines: 306, States: []top.StateTime{
			{Name: "IO wait", NS: ms(60000)}, {Name: "select", NS: ms(6000)}, {Name: "chan receive", NS: ms(3000)}, {Name: "sleep", NS: ms(2000)},
			{Name: "running", NS: ms(902)}, {Name: "GC worker (idle)", NS: ms(200)}, {Name: "finalizer wait", NS: ms(160)}}},
	}}
	for _, r := range t.Rows {
		t.Total.CPU, t.Total.Runnable, t.Total.Blocked = t.Total.CPU+r.CPU, t.Total.Runnable+r.Runnable, t.Total.Blocked+r.Blocked
		t.Total.Goroutines += r.Goroutines
		t.Total.States = append(t.Total.States, r.States...)
	}
	return t
}

func view(width int) *topView {
	return &topView{width: width, height: 24, processes: topProcesses{every: time.Second,
		list: []*topProcess{{pid: 4242, name: "orders", table: seen(), open: true}}}}
}

// several are processes in all that can become of them: two that run, one of them unfolded, one that has ended, one that may not
// be recorded, a new one.
func several(width int) *topView {
	v := view(width)
	small := &top.Table{By: top.By{Kind: top.Func}, Start: 1e18, Length: 1e9, Rows: []top.Row{{Name: "net.(*conn).Read", CPU: 2e9,
		Blocked: 1e9, Goroutines: 2, States: []top.StateTime{{Name: "running", NS: 2e9}, {Name: "IO wait", NS: 1e9}}}}}
	small.Total = small.Rows[0]
	small.Total.Name = ""
	v.several, v.order = true, orderOf("cpu")
	v.processes.costs = topCost{share: 0.0312, rate: 333}
	v.processes.list[0].scans, v.processes.list[0].missing = 211.4, "preempted and throttled goroutines: no tracepoints"
	v.processes.list = append(v.processes.list,
		&topProcess{pid: 17, name: "proxy", table: small, scans: 999},
		&topProcess{pid: 99, name: "job", table: small, end: time.Unix(1, 0), why: "the target exited"},
		&topProcess{pid: 100, name: "secret", end: time.Unix(1, 0), failed: true, why: "record 100: permission denied: it belongs to root"},
		&topProcess{pid: 1234567, name: "new\x1b[2Jone"})
	return v
}

func goldenText(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "top", name)
	if *update {
		if err := os.WriteFile(file, []byte(got+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got+"\n" != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func utc(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
}

func TestTopView(t *testing.T) {
	utc(t)
	for _, width := range []int{40, 60, 80, 120} {
		goldenText(t, fmt.Sprintf("width%d.txt", width), view(width).render())
	}
	for name, change := range map[string]func(*topView){
		"lives": func(v *topView) {
			v.width = 100
			v.processes.list[0].table.Live([]sample.Lifetimes{{P50: 2e6, P99: -1}, {Key: "endpoint", Value: "/fulfil", P50: 12e6, P99: 480e6}})
		},
		"colour":  func(v *topView) { v.paints = allColours },
		"few":     func(v *topView) { v.paints = fewColours },
		"filter":  func(v *topView) { v.filter, v.typing = "ful", true },
		"nothing": func(v *topView) { v.filter, v.paused = "no such row", true },
		"low":     func(v *topView) { v.height, v.processes.list[0].why = 9, "the target exited" },
		"first":   func(v *topView) { v.processes.list[0].table = nil },
		"help":    func(v *topView) { v.help = true },
		"bycpu":   func(v *topView) { v.order = orderOf("cpu") },
	} {
		v := view(80)
		change(v)
		goldenText(t, name+".txt", v.render())
	}
	goldenText(t, "text.txt", textTable(view(80).processes.list[0], 2))
}

func TestTopViewOfSeveral(t *testing.T) {
	utc(t)
	for _, width := range []int{40, 80, 120} {
		goldenText(t, fmt.Sprintf("several%d.txt", width), several(width).render())
	}
	for name, change := range map[string]func(*topView){
		"colour": func(v *topView) { v.paints = allColours },
		"folded": func(v *topView) { v.processes.list[0].open = false },
		"filter": func(v *topView) { v.filter = "stat" },
		"none":   func(v *topView) { v.processes.list = nil },
		"low":    func(v *topView) { v.height, v.at = 14, place{pid: 1234567, line: 6} },
		"ended":  func(v *topView) { v.at = place{pid: 100} },
	} {
		v := several(80)
		change(v)
		goldenText(t, "several-"+name+".txt", v.render())
	}
	ps := several(80).processes
	goldenText(t, "several-text.txt", textTables(&ps, orderOf("cpu"), 2))
}

// No line is wider than the terminal, whatever its width, and no byte of the target reaches the
// terminal that is not to be printed.
func TestTopViewFits(t *testing.T) {
	for width := 1; width < 200; width++ {
		for _, colour := range []bool{false, true} {
			for _, v := range []*topView{view(width), several(width)} {
				if colour {
					v.paints = allColours
				}
				for _, line := range strings.Split(v.render(), "\n") {
					if n := ansi.StringWidth(line); n > width {
						t.Fatalf("width %d: a line of %d cells: %q", width, n, line)
					}
					if strings.Contains(line, "\x1b[2J") || !colour && strings.ContainsRune(line, 0x1b) {
						t.Fatalf("width %d: escape sequence in %q", width, line)
					}
				}
			}
		}
	}
}

// The cells of a bar add up, and each part is within one cell of its share.
func TestDivide(t *testing.T) {
	parts := []int64{1, 0, 1e15, 3e14, 7}
	for n := range 300 {
		cells, sum := divide(parts, n), 0
		for i, c := range cells {
			sum += c
			if off := float64(c) - float64(parts[i])/1.3e15*float64(n); off < -1 || off > 1 {
				t.Errorf("%d cells: part %d has %d", n, i, c)
			}
		}
		if sum != n {
			t.Errorf("%d cells: %v", n, cells)
		}
	}
	if got := divide([]int64{0, 0}, 9); !slices.Equal(got, []int{0, 0}) {
		t.Errorf("no time: %v", got)
	}
}

// The picture has the colours of the pages, and each kind has a glyph of its own and a place in the bar.
func TestBarColours(t *testing.T) {
	r := &top.Row{States: []top.StateTime{{Name: "IO wait", NS: 1}, {Name: "running", NS: 1}}}
	want := lipgloss.NewStyle().Foreground(lipgloss.Color(flame.Colour(timeline.CPU))).Render("██") +
		lipgloss.NewStyle().Foreground(lipgloss.Color(flame.Colour(timeline.Network))).Render("██")
	if got := allColours.bar(r, 4); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	glyph, place := make(map[string]bool), make(map[timeline.Kind]bool)
	for k := range timeline.Kind(timeline.Kinds) {
		glyph[glyphs[k]], place[barOrder[k]] = true, true
		if !strings.Contains(flame.Script, fmt.Sprintf("%q:%q", k, flame.Colour(k))) {
			t.Errorf("%s: pages have another colour", k)
		}
	}
	if len(glyph) != timeline.Kinds || len(place) != timeline.Kinds || glyph[""] {
		t.Errorf("of %d kinds %d have a glyph, %d a place", timeline.Kinds, len(glyph), len(place))
	}
}

func TestShort(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0", 300: "1µs", 480e3: "480µs", 1.4e6: "1.4ms", 480e6: "480ms", 1.234e9: "1.23s", 71.4e9: "71.40s", 125e9: "2m05s", 3725e9: "1h02m",
	} {
		if got := short(ns); got != want {
			t.Errorf("%d: %s, want %s", ns, got, want)
		}
	}
}

func TestBase(t *testing.T) {
	for name, want := range map[string]string{
		"main.f": "main.f", "go.etcd.io/bbolt.(*DB).Update": "bbolt.(*DB).Update", "a/b.F[go.shape/x]": "b.F[go.shape/x]",
		"[scheduler]": "[scheduler]", "": "",
	} {
		if got := base(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
