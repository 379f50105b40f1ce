package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// watchTop shows the table until q, Ctrl-C or the end of the target. The picture has the terminal's
// alternate screen to itself; the last one stays on the normal screen.
func watchTop(ctx context.Context, e *env, f *topFlags, by top.By) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &topModel{by: by, view: topView{
		pid: f.pid, name: nameOf(f.pid), every: time.Duration(f.every), order: orderOf(f.order), colour: e.colour(e.stdout),
		width: 80, height: 24,
	}}
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(e.stdin), tea.WithOutput(raw(e.stdout)), tea.WithoutSignalHandler())
	ended := make(chan error, 1)
	go func() {
		err := f.stream(ctx, func(rec *profiler.Recording) error {
			p.Send(sliceMsg(*rec))
			return nil
		})
		p.Send(endMsg{err})
		ended <- err
	}()
	_, err := p.Run()
	cancel() // the picture is gone: so is who looks at the stream
	serr := <-ended
	if errors.Is(err, tea.ErrProgramKilled) || errors.Is(err, context.Canceled) {
		err = nil // by ctx: SIGTERM
	}
	if m.view.table != nil {
		fmt.Fprintln(raw(e.stdout), m.view.leave())
	}
	return errors.Join(err, serr)
}

// nameOf is what the process was started as.
func nameOf(pid int) string {
	p, err := proc.Open(pid)
	if err != nil {
		return ""
	}
	defer p.Close()
	return printable.Line(programName(p))
}

// sliceMsg is an interval, endMsg the end of the stream.
type (
	sliceMsg profiler.Recording
	endMsg   struct{ err error }
)

// topModel is the state behind the picture: what a key or an interval changes.
type topModel struct {
	view    topView
	by      top.By
	profile *profile.Profile // of the last interval; nil before the first
}

func (m *topModel) Init() tea.Cmd { return nil }

func (m *topModel) View() tea.View {
	v := tea.NewView(m.view.render())
	v.AltScreen = true
	return v
}

func (m *topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.view.width, m.view.height = msg.Width, msg.Height
	case sliceMsg:
		m.take(&msg)
	case endMsg:
		return m, tea.Quit
	case tea.KeyPressMsg:
		if m.view.typing {
			return m, m.typed(msg)
		}
		return m, m.key(msg.String())
	}
	return m, nil
}

// take takes up an interval. The last one of a stream may be too short to say anything.
func (m *topModel) take(rec *sliceMsg) {
	switch {
	case rec.Summary.End == profiler.EndExited:
		m.view.note = fmt.Sprintf("%d: %s", m.view.pid, profiler.EndExited)
	case len(rec.Summary.Denied) > 0:
		m.view.note = "missing: " + strings.Join(rec.Summary.Denied, "; ")
	}
	if m.view.paused || m.profile != nil && rec.Profile.DurationNanos < int64(m.view.every)/2 {
		return
	}
	m.profile = rec.Profile
	m.add()
}

// add adds the last interval up anew.
func (m *topModel) add() {
	if m.profile == nil {
		return
	}
	t := top.Of(m.profile, m.by)
	if m.by.Kind == top.Auto && t.By.Kind == top.Label {
		m.by = t.By // stays, whatever the next interval has most of
	}
	m.view.table, m.view.waits = t, slots(m.view.waits, t)
}

func (m *topModel) key(k string) tea.Cmd {
	v := &m.view
	switch k {
	case "q", "ctrl+c":
		return tea.Quit
	case "s":
		v.order = (v.order + 1) % len(orders)
	case "l":
		m.nextLabel()
	case "f":
		m.by = top.By{Kind: top.Func}
	case "t":
		m.by = top.By{Kind: top.State}
	case "p", "space":
		v.paused = !v.paused
	case "/":
		v.typing, v.help = true, false
	case "?":
		v.help = !v.help
	case "esc":
		v.help, v.filter = false, ""
	}
	m.add()
	return nil
}

// nextLabel goes on to the next key of the last interval, from the last one to the first.
func (m *topModel) nextLabel() {
	if m.profile == nil {
		return
	}
	keys := top.Keys(m.profile)
	if len(keys) == 0 {
		return
	}
	at := slices.Index(keys, m.by.Key)
	m.by = top.By{Kind: top.Label, Key: keys[(at+1)%len(keys)]}
}

// typed is a key while the filter is being typed.
func (m *topModel) typed(k tea.KeyPressMsg) tea.Cmd {
	v := &m.view
	switch k.String() {
	case "ctrl+c":
		return tea.Quit
	case "enter":
		v.typing = false
	case "esc":
		v.typing, v.filter = false, ""
	case "backspace":
		if _, n := utf8.DecodeLastRuneInString(v.filter); n > 0 {
			v.filter = v.filter[:len(v.filter)-n]
		}
	case "ctrl+u":
		v.filter = ""
	default:
		v.filter += k.Text // "" for keys that are no text
	}
	return nil
}

// leave is the picture that stays when top ends: all rows, and no keys to press.
func (v *topView) leave() string {
	last := *v
	last.help, last.typing, last.paused = false, false, false
	last.height = len(v.table.Rows) + 30
	lines := strings.Split(last.render(), "\n")
	return strings.Join(lines[:len(lines)-1], "\n")
}
