package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// topFlags is the command line of top.
type topFlags struct {
	processFlags
	rate     int
	by       string
	order    string
	every    duration
	overhead percentage
	rows     int // to print of a process, 0: all, -1: as many as suit
	once     bool
	plain    bool
	json     bool
	exact    bool
	events   []string
}

const (
	shortestTop = 100 * time.Millisecond // below it a row is a handful of samples

	defaultRows     = 20 // of one process
	defaultRowsEach = 5  // of several
)

// check finds what is wrong with the command line itself, and puts in what depends on it.
func (f *topFlags) check() (top.By, error) {
	if err := f.processFlags.check("top"); err != nil {
		return top.By{}, err
	}
	by, err := top.ParseBy(f.by)
	switch {
	case err != nil:
		return by, usagef("top: --by %w", err)
	case source.CheckRate(f.rate) != nil:
		return by, usagef("top: %w", source.CheckRate(f.rate))
	case time.Duration(f.every) < shortestTop:
		return by, usagef("top: --every %s: at least %s", &f.every, shortestTop)
	case f.rows < -1:
		return by, usagef("top: --rows %d: not a number of rows", f.rows)
	case f.exact && f.several():
		return by, usagef("top: --exact-cpu is for one process: -p PID")
	case len(f.events) > 0 && f.several():
		return by, usagef("top: --event is for one process: -p PID")
	case f.order != "" && orderOf(f.order) < 0:
		return by, usagef("top: --sort %q: not one of %s", f.order, orderNames())
	}
	f.complete()
	return by, nil
}

// complete puts in what is another default for several processes than for one.
func (f *topFlags) complete() {
	order, rows := sample.ColumnWall, defaultRows
	if f.several() {
		order, rows = sample.ColumnCPU, defaultRowsEach
	}
	if f.order == "" {
		f.order = order
	}
	if f.rows < 0 {
		f.rows = rows
	}
}

// live says whether the table is to be a picture that changes.
func (f *topFlags) live(e *env) bool {
	return !f.once && !f.plain && !f.json && terminal(e.stdout) >= 0 && terminal(e.stdin) >= 0 && e.getenv("TERM") != "dumb"
}

// fleet is what is recorded.
func (f *topFlags) fleet() fleetOptions {
	return fleetOptions{processFlags: f.processFlags, command: "top", once: f.once, grown: time.Second, overhead: f.overhead,
		options: f.options()}
}

// options are those of the stream of one process.
func (f *topFlags) options() profiler.StreamOptions {
	o := profiler.StreamOptions{Every: time.Duration(f.every)}
	o.Rate, o.Keep.Goroutines, o.Version = f.rate, true, readBuild().Version
	o.MemoryLimit, o.ExactCPU = profiler.DefaultMemoryLimit, f.exact
	o.Events = f.events
	if f.several() {
		o.MemoryLimit /= mostProcesses
	}
	return o
}

// orders are the columns that rows can be sorted by.
var orders = []struct {
	name string
	of   func(*top.Row) int64
}{
	{sample.ColumnWall, (*top.Row).Wall},
	{sample.ColumnCPU, func(r *top.Row) int64 { return r.CPU }},
	{sample.ColumnRunnable, func(r *top.Row) int64 { return r.Runnable }},
	{sample.ColumnBlocked, func(r *top.Row) int64 { return r.Blocked }},
	{"goroutines", func(r *top.Row) int64 { return int64(r.Goroutines) }},
	{"name", func(*top.Row) int64 { return 0 }},
}

func orderNames() string {
	var names []string
	for _, o := range orders {
		names = append(names, o.name)
	}
	return strings.Join(names, ", ")
}

func orderOf(name string) int {
	for i, o := range orders {
		if o.name == name {
			return i
		}
	}
	return -1
}

// order sorts rows by a column, largest first; the row without a label stays last.
func order(rows []top.Row, by int) {
	of := orders[by].of
	slices.SortFunc(rows, func(a, b top.Row) int { return top.Compare(&a, &b, of) })
}

func rowsUsage() string {
	return fmt.Sprintf("`number` of rows to print of a process, 0 for all (default %d, of several processes %d)", defaultRows, defaultRowsEach)
}
