package main

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/mayfly-profiler/mayfly/internal/top"
)

// watchTop shows the table until q, Ctrl-C or the end of what was named. The picture has the terminal's
// alternate screen to itself; the last one stays on the normal screen.
func watchTop(ctx context.Context, e *env, f *topFlags, by top.By) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newTopModel(f, by)
	if e.colour(e.stdout) {
		m.view.paints = allColours
	}
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(e.stdin), tea.WithOutput(raw(e.stdout)), tea.WithoutSignalHandler())
	ended := make(chan error, 1)
	go func() {
		err := newFleet(e, f.fleet(), func(ev event) error { p.Send(ev); return nil }).run(ctx)
		p.Send(endMsg{})
		ended <- err
	}()
	_, err := p.Run()
	err = pictureError(ctx, err)
	cancel() // the picture is gone: so is who looks at the streams
	serr := <-ended
	if m.shown() {
		lipgloss.Fprintln(raw(e.stdout), m.view.leave())
	}
	return errors.Join(err, serr)
}

// pictureError is the fault of the terminal, or our own, that ended the picture: none where ctx did, by SIGTERM.
func pictureError(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, tea.ErrProgramPanic) {
		return nil
	}
	return err
}

// endMsg is the end of all streams.
type endMsg struct{}

// topModel is the state behind the picture: what a key or an event changes.
type topModel struct {
	view topView
}

func newTopModel(f *topFlags, by top.By) *topModel {
	m := &topModel{topView{several: f.several(), order: orderOf(f.order), width: 80, height: 24}}
	m.view.processes = topProcesses{by: by, every: time.Duration(f.every), all: f.all}
	if !m.view.several {
		m.view.processes.list = []*topProcess{{pid: f.pids[0], name: nameOf(f.pids[0]), by: by, open: true}}
	}
	return m
}

// shown says whether there was something to see.
func (m *topModel) shown() bool {
	for _, p := range m.view.processes.list {
		if p.table != nil {
			return true
		}
	}
	return false
}

func (m *topModel) Init() tea.Cmd { return nil }

func (m *topModel) View() tea.View {
	v := tea.NewView(m.view.render())
	v.AltScreen = true
	return v
}

func (m *topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	v := &m.view
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		v.width, v.height = msg.Width, msg.Height
	case tea.ColorProfileMsg:
		if v.paints != noColours && msg.Profile < colorprofile.ANSI256 {
			v.paints = fewColours
		}
	case event:
		m.take(&msg)
	case endMsg:
		return m, tea.Quit
	case tea.KeyPressMsg:
		if v.typing {
			return m, m.typed(msg)
		}
		return m, m.key(msg.String())
	}
	return m, nil
}

// take takes up what is heard. While the picture is paused there are no intervals.
func (m *topModel) take(ev *event) {
	if m.view.paused && ev.rec != nil {
		return
	}
	m.view.processes.take(ev)
	m.view.processes.forget(time.Now())
}

func (m *topModel) key(k string) tea.Cmd {
	v := &m.view
	switch k {
	case "q", "ctrl+c":
		return tea.Quit
	case "s":
		v.order = (v.order + 1) % len(orders)
	case "l":
		if p := m.chosen(); p != nil {
			p.nextLabel()
			p.add()
		}
	case "f":
		m.by(top.Func)
	case "t":
		m.by(top.State)
	case "p", "space":
		v.paused = !v.paused
	case "/":
		v.typing, v.help = true, false
	case "?":
		v.help = !v.help
	case "esc":
		v.help, v.filter = false, ""
	default:
		if v.several {
			m.move(k)
		}
	}
	return nil
}

// by makes rows of all processes something else: at once where there is an interval, and of others with their next one.
func (m *topModel) by(kind top.Kind) {
	for _, p := range m.view.processes.list {
		p.by = top.By{Kind: kind}
		p.add()
	}
}

// chosen is the process that the cursor is on, or the only one.
func (m *topModel) chosen() *topProcess {
	if !m.view.several {
		return m.view.processes.list[0]
	}
	lines := m.view.lines()
	if i := m.view.cursor(lines); i >= 0 {
		return lines[i].p
	}
	return nil
}

// move is a key that moves the cursor, or unfolds or folds the process that it is on.
func (m *topModel) move(k string) {
	v := &m.view
	lines := v.lines()
	i := v.cursor(lines)
	if i < 0 {
		return
	}
	p := lines[i].p
	switch k {
	case "up", "k":
		i--
	case "down", "j":
		i++
	case "pgup":
		i -= v.height / 2
	case "pgdown":
		i += v.height / 2
	case "home":
		i = 0
	case "end":
		i = len(lines) - 1
	case "right":
		p.open = true
	case "left", "enter":
		if p.open = !p.open && k == "enter"; !p.open {
			p.profile = nil
			v.at = topLine{p, nil}.place(i)
			return
		}
	}
	i = max(min(i, len(lines)-1), 0)
	v.at = lines[i].place(i)
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
	for _, p := range v.processes.list {
		last.height += 1 + len(p.total().States)
		if p.table != nil {
			last.height += len(p.table.Rows)
		}
	}
	lines := strings.Split(last.render(), "\n")
	return strings.Join(lines[:len(lines)-1], "\n")
}
