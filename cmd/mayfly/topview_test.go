package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	tea "charm.land/bubbletea/v2"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/top"
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
	t := seen()
	return &topView{pid: 4242, name: "orders", every: time.Second, width: width, height: 24, table: t, waits: slots(nil, t)}
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
	for _, width := range []int{60, 80, 120} {
		goldenText(t, fmt.Sprintf("width%d.txt", width), view(width).render())
	}
	for name, change := range map[string]func(*topView){
		"colour":  func(v *topView) { v.colour = true },
		"filter":  func(v *topView) { v.filter, v.typing = "ful", true },
		"nothing": func(v *topView) { v.filter, v.paused = "no such row", true },
		"low":     func(v *topView) { v.height, v.note = 9, "4242: the target exited" },
		"first":   func(v *topView) { v.table = nil },
		"help":    func(v *topView) { v.help = true },
		"bycpu":   func(v *topView) { v.order = orderOf("cpu") },
	} {
		v := view(80)
		change(v)
		goldenText(t, name+".txt", v.render())
	}
	goldenText(t, "text.txt", textTable(4242, seen(), 2))
}

// No line is wider than the terminal, whatever its width, and no byte of the target reaches the
// terminal that is not to be printed.
func TestTopViewFits(t *testing.T) {
	for width := 1; width < 200; width++ {
		for _, colour := range []bool{false, true} {
			v := view(width)
			v.colour = colour
			for _, line := range strings.Split(v.render(), "\n") {
				if n := ansi.StringWidth(line); n > width && width >= numbers+leastName {
					t.Fatalf("width %d: a line of %d cells: %q", width, n, line)
				}
				if strings.Contains(line, "\x1b[2J") || !colour && strings.ContainsRune(line, 0x1b) {
					t.Fatalf("width %d: escape sequence in %q", width, line)
				}
			}
		}
	}
}

// The cells of a bar add up, and each part is within one cell of its share.
func TestDivide(t *testing.T) {
	parts := []part{{ns: 1}, {ns: 0}, {ns: 1e15}, {ns: 3e14}, {ns: 7}}
	for n := range 300 {
		cells, sum := divide(parts, n), 0
		for i, c := range cells {
			sum += c
			if off := float64(c) - float64(parts[i].ns)/1.3e15*float64(n); off < -1 || off > 1 {
				t.Errorf("%d cells: part %d has %d", n, i, c)
			}
		}
		if sum != n {
			t.Errorf("%d cells: %v", n, cells)
		}
	}
	if got := divide([]part{{}, {}}, 9); !slices.Equal(got, []int{0, 0}) {
		t.Errorf("no time: %v", got)
	}
}

// A wait reason keeps its paint while it is large, and leaves it to another when it is gone.
func TestSlots(t *testing.T) {
	table := func(names ...string) *top.Table {
		r := top.Row{Name: "x", Blocked: 1e9}
		for i, n := range names {
			r.States = append(r.States, top.StateTime{Name: n, NS: int64(100 - i)})
		}
		return &top.Table{Rows: []top.Row{r}}
	}
	first := slots(nil, table("select", "running", "IO wait"))
	if !slices.Equal(first, []string{"select", "IO wait"}) {
		t.Fatalf("first: %q", first)
	}
	next := slots(first, table("IO wait", "sleep"))
	if !slices.Equal(next, []string{"sleep", "IO wait"}) {
		t.Errorf("next: %q", next)
	}
	if many := slots(nil, table("a", "b", "c", "d", "e", "f", "g", "h")); len(many) != len(waitPaints) {
		t.Errorf("many: %q", many)
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

// What keys do, without a terminal.
func TestTopKeys(t *testing.T) {
	p := &profile.Profile{DurationNanos: 1e9, SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"},
		{Type: "cpu", Unit: "nanoseconds"}}}
	for _, key := range []string{"a", "b"} {
		p.Sample = append(p.Sample, &profile.Sample{Value: []int64{1, 1e6}, Label: map[string][]string{key: {"v" + key}}})
	}
	m := &topModel{view: *view(80)}
	m.Update(sliceMsg{Profile: p})
	press := func(text string) {
		for _, r := range text {
			m.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
	at := func(by, filter string, order int) {
		t.Helper()
		if v := &m.view; v.table.By.String() != by || v.filter != filter || v.order != order {
			t.Errorf("by %s, filter %q, order %d; want %s, %q, %d", v.table.By, v.filter, v.order, by, filter, order)
		}
	}
	at("label:a", "", 0)
	press("l")
	at("label:b", "", 0)
	press("ls")
	at("label:a", "", 1)
	press("f")
	at("func", "", 1)
	press("/qs")
	m.Update(tea.KeyPressMsg{Code: tea.KeyBackspace})
	at("func", "q", 1)
	m.Update(tea.KeyPressMsg{Code: tea.KeyEsc})
	at("func", "", 1)
	press("p")
	before := m.view.table
	m.Update(sliceMsg{Profile: p})
	if m.view.table != before {
		t.Error("the picture changes while paused")
	}
	if _, cmd := m.Update(tea.KeyPressMsg{Code: 'q', Text: "q"}); cmd == nil {
		t.Error("q does not quit")
	}
}
