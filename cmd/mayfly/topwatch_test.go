package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// slice is an interval of a process with two labels that cover the same time.
func slice(pid int, end string) event {
	p := &profile.Profile{DurationNanos: 1e9, SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"},
		{Type: "cpu", Unit: "nanoseconds"}}}
	for _, key := range []string{"a", "b"} {
		p.Sample = append(p.Sample, &profile.Sample{Value: []int64{1, int64(pid) * 1e6}, Label: map[string][]string{key: {"v" + key}}})
	}
	return event{pid: pid, name: fmt.Sprintf("p%d", pid), rec: &profiler.Recording{Profile: p, Summary: summary.Summary{End: end}}}
}

func model(f topFlags) *topModel {
	f.every, f.order = duration(time.Second), "cpu"
	return newTopModel(&f, top.By{})
}

// press sends keys: letters, or one that has a name.
func (m *topModel) press(text string) {
	if code, ok := map[string]rune{"down": tea.KeyDown, "up": tea.KeyUp, "left": tea.KeyLeft, "right": tea.KeyRight, "enter": tea.KeyEnter,
		"esc": tea.KeyEsc, "backspace": tea.KeyBackspace}[text]; ok {
		m.Update(tea.KeyPressMsg{Code: code})
		return
	}
	for _, r := range text {
		m.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

// What keys do, without a terminal.
func TestTopKeys(t *testing.T) {
	m := model(topFlags{processFlags: processFlags{pids: []int{4242}}})
	m.Update(slice(4242, ""))
	p := m.view.processes.list[0]
	at := func(by, filter string, order int) {
		t.Helper()
		if v := &m.view; p.table.By.String() != by || v.filter != filter || v.order != order {
			t.Errorf("by %s, filter %q, order %d; want %s, %q, %d", p.table.By, v.filter, v.order, by, filter, order)
		}
	}
	at("label:a", "", 1)
	m.press("l")
	at("label:b", "", 1)
	m.press("ls")
	at("label:a", "", 2)
	m.press("f")
	at("func", "", 2)
	m.press("/qs")
	m.press("backspace")
	at("func", "q", 2)
	m.press("esc")
	at("func", "", 2)
	m.press("p")
	before := p.table
	m.Update(slice(4242, ""))
	if p.table != before {
		t.Error("the picture changes while paused")
	}
	if _, cmd := m.Update(tea.KeyPressMsg{Code: 'q', Text: "q"}); cmd == nil {
		t.Error("q does not quit")
	}
}

// shown are the lines of several processes: "pid", or "pid/row", the one with the cursor in brackets.
func (m *topModel) shownLines() (all []string) {
	lines := m.view.lines()
	for i, l := range lines {
		s := fmt.Sprint(l.p.pid)
		if l.row != nil {
			s += "/" + l.row.Name
		}
		if i == m.view.cursor(lines) {
			s = "[" + s + "]"
		}
		all = append(all, s)
	}
	return all
}

// Enter and the arrows unfold and fold processes, and the cursor stays on what it is on when lines move.
func TestTopUnfolds(t *testing.T) {
	m := model(topFlags{processFlags: processFlags{pids: []int{3, 5, 7}}})
	for _, pid := range []int{3, 5, 7} {
		m.Update(event{pid: pid, name: fmt.Sprintf("p%d", pid)})
		m.Update(slice(pid, ""))
	}
	lines := func(want ...string) {
		t.Helper()
		if got := m.shownLines(); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	lines("[7]", "5", "3")
	m.press("down")
	m.press("enter")
	lines("7", "[5]", "5/va", "5/", "3")
	m.press("down")
	lines("7", "5", "[5/va]", "5/", "3")
	m.press("s") // by runnable: all have none, and go by name
	lines("3", "5", "[5/va]", "5/", "7")
	if p := m.chosen(); p.pid != 5 || p.profile != nil {
		t.Errorf("process %d has its profile already: %v", p.pid, p.profile != nil)
	}
	m.press("f") // at once where the interval is there, and of others with their next one
	lines("3", "5", "[5/va]", "5/", "7")
	m.Update(slice(5, ""))
	lines("3", "[5]", "5/", "7")
	m.press("left")
	lines("3", "[5]", "7")
	for _, p := range m.view.processes.list {
		if p.profile != nil {
			t.Errorf("%d keeps its profile, though it is folded", p.pid)
		}
	}
	m.press("right")
	m.press("down")
	m.press("enter") // on a row: its process
	lines("3", "[5]", "7")
	m.press("up")
	m.press("up")
	lines("[3]", "5", "7")
}

// A process that ends says so where its numbers were, those named for good, and others for a while.
func TestTopProcessEnds(t *testing.T) {
	for _, all := range []bool{false, true} {
		f := topFlags{processFlags: processFlags{all: all}}
		if !all {
			f.pids = []int{3, 5, 7}
		}
		m := model(f)
		for _, pid := range []int{3, 5, 7} {
			m.Update(event{pid: pid, name: "x"})
		}
		m.Update(slice(7, profiler.EndExited))
		m.Update(event{pid: 7, over: true})
		m.Update(event{pid: 5, over: true, err: fmt.Errorf("record 5: %w", fs.ErrPermission)})
		m.Update(slice(3, ""))
		ps := &m.view.processes
		if got := []string{ps.list[2].state(), ps.list[1].state(), ps.list[0].state()}; !slices.Equal(got,
			[]string{"the target exited", "record 5: permission denied", ""}) {
			t.Errorf("all %t: %q", all, got)
		}
		if total := ps.total(); total.CPU != 6e6 {
			t.Errorf("all %t: the total of those that run is %d", all, total.CPU)
		}
		m.Update(event{pid: 7, name: "the next"}) // another process with its id
		ps.forget(time.Now().Add(time.Minute))
		want := map[bool][]string{false: {"3", "5", "7", "7"}, true: {"3", "5", "7"}}[all]
		var got []string
		for _, p := range ps.list {
			got = append(got, fmt.Sprint(p.pid))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("all %t: a minute later there are %q, want %q", all, got, want)
		}
		m.Update(event{pid: 5, gone: true})
		m.Update(event{pid: 9, name: "brief"})
		m.Update(event{pid: 9, over: true, err: fmt.Errorf("record 9: %w", profiler.ErrNoProcess)})
		if n := len(ps.list); n != len(want)-1+map[bool]int{false: 1}[all] {
			t.Errorf("all %t: %d processes", all, n)
		}
	}
}

// A picture that ends by a fault is an error, and one that SIGTERM ends is none.
func TestPictureError(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	crash := fmt.Errorf("%w: %w", tea.ErrProgramKilled, tea.ErrProgramPanic)
	for _, tt := range []struct {
		ctx       context.Context
		err, want error
	}{
		{over, fmt.Errorf("%w: %w", tea.ErrProgramKilled, context.Canceled), nil}, {t.Context(), nil, nil},
		{t.Context(), crash, crash}, {over, crash, crash}, {t.Context(), tea.ErrProgramKilled, tea.ErrProgramKilled},
	} {
		if got := pictureError(tt.ctx, tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}

// Whoever is told of an error by a line of its own gets its exit code only.
func TestPrinted(t *testing.T) {
	err := printed(errors.New("x"))
	if message(err) != "" || exitCode(err) != codeFailed || printed(nil) != nil {
		t.Errorf("%q, exit code %d", message(err), exitCode(err))
	}
}
