package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/mayfly-profiler/mayfly/internal/compare"
	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A topPrinter prints tables for a log: of one process each interval as it ends, of several a table an interval. With --json it
// prints an object for each interval of each process.
type topPrinter struct {
	env   *env
	flags *topFlags

	mu        sync.Mutex
	processes topProcesses
	recorded  bool // there was an interval
}

func printTop(ctx context.Context, e *env, f *topFlags, by top.By) error {
	p := &topPrinter{env: e, flags: f, processes: topProcesses{by: by, every: time.Duration(f.every), all: f.all}}
	fl := newFleet(e, f.fleet(), func(ev event) error { return p.take(ctx, &ev) })
	if !f.several() {
		return fl.run(ctx)
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var printing error
	var wg sync.WaitGroup
	if !f.once && !f.json {
		wg.Go(func() { defer cancel(); printing = p.ticks(inner) })
	}
	err := fl.run(inner)
	cancel()
	wg.Wait()
	switch {
	case err == nil && f.all && ctx.Err() == nil && !p.recorded:
		return errors.New("top: no Go process could be recorded; mayfly list shows them")
	case f.once && !f.json && p.recorded:
		printing = p.print()
	}
	return errors.Join(printing, printed(err))
}

// printed is an error that has been printed: its exit code is left.
func printed(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitCode(err)}
}

// ticks prints a table an interval, until ctx ends.
func (p *topPrinter) ticks(ctx context.Context) error {
	t := time.NewTicker(time.Duration(p.flags.every))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := p.print(); err != nil {
				return err
			}
		}
	}
}

// take prints an interval, and says what else is heard.
func (p *topPrinter) take(ctx context.Context, ev *event) error {
	if ev.over && ev.err == nil && p.flags.once {
		return nil // it has had its interval
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.processes.of(ev.pid)
	taken := p.processes.take(ev)
	switch {
	case ev.note != "":
		p.env.say("%s", ev.note)
	case ev.over && ctx.Err() == nil:
		p.over(x, ev.err)
	}
	if taken == nil {
		return nil
	}
	p.recorded = true
	if taken.taken == 1 {
		p.missing(taken, ev.rec.Summary.Denied)
	}
	if err := p.interval(taken); err != nil {
		return err
	}
	if p.flags.once {
		return errEnough
	}
	return nil
}

// over says how the recording of a process ended. The error of the only one is the command's.
func (p *topPrinter) over(x *topProcess, err error) {
	switch {
	case err == nil:
		p.env.say("%d: %s", x.pid, x.why)
	case err != nil && p.flags.several() && !(p.flags.all && errors.Is(err, profiler.ErrNoProcess)):
		p.env.warn("%v", err)
	}
}

func (p *topPrinter) missing(x *topProcess, denied []string) {
	for _, d := range denied {
		if p.flags.several() {
			d = x.title() + ": " + d
		}
		p.env.warn("missing: %s", d)
	}
}

// interval prints the interval of a process, unless that is a row of a table.
func (p *topPrinter) interval(x *topProcess) error {
	order(x.table.Rows, orderOf(p.flags.order))
	switch {
	case p.flags.json:
		return json.NewEncoder(jsonText.writer(p.env.stdout)).Encode(newTopReport(x))
	case p.flags.several():
		return nil
	}
	_, err := fmt.Fprintln(p.env.stdout, textTable(x, p.flags.rows))
	return err
}

// print prints the last intervals of all processes.
func (p *topPrinter) print() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.processes.forget(time.Now())
	if !p.recorded {
		return nil
	}
	_, err := fmt.Fprintln(p.env.stdout, textTables(&p.processes, orderOf(p.flags.order), p.flags.rows))
	return err
}

// textForm is how rows are printed for a log.
type textForm struct {
	indent string
	name   int  // cells of the first column
	most   int  // rows, 0: all
	lived  bool // there are lifetimes
	exact  bool // CPU times are
	events []tableNumber
}

// textTable is a table for a log: no picture, the states in words.
func textTable(p *topProcess, most int) string {
	t := p.table
	var b strings.Builder
	end := time.Unix(0, t.Start+t.Length)
	fmt.Fprintf(&b, "%s  pid %d, %s by %s\n", end.Format(time.DateTime), p.pid, short(t.Length), heading(t.By))
	f := textForm{most: most, lived: t.Lived(), exact: t.Exact, events: eventNumbers(t)}
	f.name = min(max(ansi.StringWidth(heading(t.By)), len("(total)"), f.width(t)), 2*mostName)
	f.head(&b, heading(t.By))
	f.rows(&b, t)
	f.row(&b, "(total)", &t.Total)
	return b.String()
}

// textTables has a row for each process, and below it its own.
func textTables(ps *topProcesses, by, most int) string {
	end, list := int64(0), ps.sorted(by)
	f := textForm{indent: "  ", name: len("process"), most: most}
	for _, p := range list {
		f.name = max(f.name, ansi.StringWidth(p.title()))
		if p.table != nil {
			f.name, end = max(f.name, f.width(p.table)), max(end, p.table.Start+p.table.Length)
		}
	}
	f.name = min(f.name, 2*mostName)
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s; %s\n", time.Unix(0, end).Format(time.DateTime), ps.count(), ps.cost())
	f.head(&b, "process")
	for _, p := range list {
		if s := p.state(); s != "" {
			fmt.Fprintf(&b, "%s  %s\n", pad(p.title(), f.name), s)
			continue
		}
		f.row(&b, p.title(), p.total())
		f.rows(&b, p.table)
	}
	return b.String()
}

// shown are the rows of a table that are printed.
func (f *textForm) shown(t *top.Table) []top.Row {
	if f.most > 0 && len(t.Rows) > f.most {
		return t.Rows[:f.most]
	}
	return t.Rows
}

// width is the longest name of those.
func (f *textForm) width(t *top.Table) (n int) {
	rows := f.shown(t)
	for i := range rows {
		n = max(n, ansi.StringWidth(f.indent+rowName(t.By, &rows[i])))
	}
	return n
}

func (f *textForm) head(b *strings.Builder, first string) {
	fmt.Fprintf(b, "%s%9s", pad(first, f.name), "cpu")
	if f.exact {
		fmt.Fprintf(b, "%9s", "+-")
	}
	fmt.Fprintf(b, "%9s%9s%12s", "runnable", "blocked", "goroutines")
	for _, n := range f.events {
		fmt.Fprintf(b, "%*s", n.width(), n.name)
	}
	if f.lived {
		fmt.Fprintf(b, "%9s%9s", numbers[always].name, numbers[always+1].name)
	}
	fmt.Fprintln(b, "  states")
}

func (f *textForm) rows(b *strings.Builder, t *top.Table) {
	rows := f.shown(t)
	for i := range rows {
		f.row(b, f.indent+rowName(t.By, &rows[i]), &rows[i])
	}
	if n := len(t.Rows) - len(rows); n > 0 {
		fmt.Fprintf(b, "%s... and %d more\n", f.indent, n)
	}
}

func (f *textForm) row(b *strings.Builder, name string, r *top.Row) {
	var states []string
	for i, s := range r.States[:min(len(r.States), 4)] {
		if share := compare.Percent(s.NS, r.Wall()); i == 0 || share >= 1 {
			states = append(states, fmt.Sprintf("%s %.0f %%", printable.Line(s.Name), share))
		}
	}
	fmt.Fprintf(b, "%s%9s", pad(name, f.name), short(r.CPU))
	if f.exact {
		fmt.Fprintf(b, "%9s", short(r.Error))
	}
	fmt.Fprintf(b, "%9s%9s%12d", short(r.Runnable), short(r.Blocked), r.Goroutines)
	for _, n := range f.events {
		fmt.Fprintf(b, "%*s", n.width(), n.of(r))
	}
	if f.lived {
		fmt.Fprintf(b, "%9s%9s", numbers[always].of(r), numbers[always+1].of(r))
	}
	fmt.Fprintf(b, "  %s\n", cmp.Or(strings.Join(states, ", "), "-"))
}

// topReport is what --json prints.
type topReport struct {
	PID      int         `json:"pid"`
	Program  string      `json:"program"` // what the process was started as
	Time     time.Time   `json:"time"`
	Duration int64       `json:"duration_ns"`
	By       string      `json:"by"`
	Exact    bool        `json:"cpu_exact"` // cpu_ns is counted and not sampled
	Rows     []rowReport `json:"rows"`
	Total    rowReport   `json:"total"`
}

type rowReport struct {
	Name       string           `json:"name"` // "": without the label
	CPU        int64            `json:"cpu_ns"`
	CPUError   int64            `json:"cpu_error_ns"` // in 19 of 20 cases cpu_ns is within it; 0: it is exact, or there is no sample
	Runnable   int64            `json:"runnable_ns"`
	Blocked    int64            `json:"blocked_ns"`
	Goroutines int              `json:"goroutines"`
	States     map[string]int64 `json:"states_ns"`

	Lives *sample.Lifetimes `json:"lifetimes,omitempty"` // of the goroutines that had the label, since top began

	Events map[string]int64 `json:"events,omitempty"` // of --event
}

func newTopReport(p *topProcess) topReport {
	t := p.table
	r := topReport{PID: p.pid, Program: p.name, Time: time.Unix(0, t.Start).UTC(), Duration: t.Length, By: t.By.String(),
		Exact: t.Exact, Rows: []rowReport{}, Total: newRowReport(t, &t.Total)}
	for i := range t.Rows {
		r.Rows = append(r.Rows, newRowReport(t, &t.Rows[i]))
	}
	return r
}

func newRowReport(t *top.Table, r *top.Row) rowReport {
	states := make(map[string]int64, len(r.States))
	for _, s := range r.States {
		states[s.Name] = s.NS
	}
	var events map[string]int64
	for i, name := range t.Events {
		if events == nil {
			events = make(map[string]int64)
		}
		events[name] = r.Events[i]
	}
	return rowReport{r.Name, r.CPU, r.Error, r.Runnable, r.Blocked, r.Goroutines, states, r.Lives, events}
}
