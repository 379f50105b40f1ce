package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/top"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// shortestTop is the shortest interval of top: below it a row is a handful of samples.
const shortestTop = 100 * time.Millisecond

func topCommand(e *env) *cobra.Command {
	f := topFlags{every: duration(time.Second), overhead: percentage(profiler.DefaultMaxOverhead)}
	cmd := &cobra.Command{
		Use:     "top -p PID",
		GroupID: groupRecord,
		Short:   "Show live where the goroutines of a process spend their time",
		Long: `Top records a running Go process and shows, once a second, where its goroutines spend their
time: on a CPU, waiting for a CPU (runnable), or waiting for something else (blocked), and for
what. Each row is the value of a label, a function or a state. Times add up: three goroutines
that wait all the time are blocked for 3s in one second.

The function of a row is the innermost one outside the runtime, sync, syscall, time, reflect
and internal packages. With --plain, --once or --json, and when the output is no terminal,
each interval is printed as it ends. Press ? for the keys.`,
		Example: "  mayfly top -p 4242\n  mayfly top -p 4242 --by label:endpoint --plain >> top.log\n  mayfly top -p 4242 --once --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := f.check()
			if err != nil {
				return err
			}
			if !f.live(e) {
				return printTop(cmd.Context(), e, &f, by)
			}
			return watchTop(cmd.Context(), e, &f, by)
		},
	}
	fl := cmd.Flags()
	fl.IntVarP(&f.pid, "pid", "p", 0, "record the process with this `PID`")
	fl.IntVarP(&f.rate, "rate", "F", profiler.DefaultRate, rateUsage)
	fl.StringVar(&f.by, "by", "", "what a row is: label:KEY, func or state (default the label that covers most time)")
	fl.StringVar(&f.order, "sort", orders[0].name, "`order` of the rows: "+orderNames())
	fl.Var(&f.every, "every", "length of an interval")
	fl.Var(&f.overhead, "max-overhead", overheadUsage)
	fl.IntVarP(&f.rows, "rows", "n", 20, "`number` of rows to print, 0 for all")
	fl.BoolVar(&f.once, "once", false, "print one interval and end")
	fl.BoolVar(&f.plain, "plain", false, "print text, also on a terminal")
	fl.BoolVar(&f.json, "json", false, "print the result as JSON, one line an interval")
	cmd.RegisterFlagCompletionFunc("pid", completePID)
	cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(strings.Split(orderNames(), ", "), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *topFlags) check() (top.By, error) {
	by, err := top.ParseBy(f.by)
	switch {
	case f.pid <= 0:
		return by, usagef("top: need a process (-p PID); mayfly list shows the Go processes")
	case err != nil:
		return by, usagef("top: --by %w", err)
	case source.CheckRate(f.rate) != nil:
		return by, usagef("top: %w", source.CheckRate(f.rate))
	case time.Duration(f.every) < shortestTop:
		return by, usagef("top: --every %s: at least %s", &f.every, shortestTop)
	case f.rows < 0:
		return by, usagef("top: --rows %d: not a number of rows", f.rows)
	case orderOf(f.order) < 0:
		return by, usagef("top: --sort %q: not one of %s", f.order, orderNames())
	}
	return by, nil
}

// live says whether the table is to be a picture that changes.
func (f *topFlags) live(e *env) bool {
	return !f.once && !f.plain && !f.json && terminal(e.stdout) >= 0 && terminal(e.stdin) >= 0 && e.getenv("TERM") != "dumb"
}

// printTop prints one table an interval.
func printTop(ctx context.Context, e *env, f *topFlags, by top.By) error {
	first, end := true, ""
	err := f.stream(ctx, func(rec *profiler.Recording) error {
		end = rec.Summary.End
		if first {
			for _, d := range rec.Summary.Denied {
				e.warn("missing: %s", d)
			}
		} else if rec.Profile.DurationNanos < int64(f.every)/2 {
			return nil // what was left at the end: too short for a row to mean something
		}
		t := top.Of(rec.Profile, by)
		if by.Kind == top.Auto && t.By.Kind == top.Label {
			by = t.By // stays, whatever the next interval has most of
		}
		order(t.Rows, orderOf(f.order))
		first = false
		if err := f.print(e, t); err != nil {
			return err
		}
		if f.once {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	if err == nil && ctx.Err() == nil {
		e.say("%d: %s", f.pid, end)
	}
	return err
}

func (f *topFlags) print(e *env, t *top.Table) error {
	if f.json {
		return json.NewEncoder(jsonText.writer(e.stdout)).Encode(newTopReport(f.pid, t))
	}
	_, err := fmt.Fprintln(e.stdout, textTable(f.pid, t, f.rows))
	return err
}

// topReport is what --json prints.
type topReport struct {
	PID      int         `json:"pid"`
	Time     time.Time   `json:"time"`
	Duration int64       `json:"duration_ns"`
	By       string      `json:"by"`
	Rows     []rowReport `json:"rows"`
	Total    rowReport   `json:"total"`
}

type rowReport struct {
	Name       string           `json:"name"` // "": without the label
	CPU        int64            `json:"cpu_ns"`
	Runnable   int64            `json:"runnable_ns"`
	Blocked    int64            `json:"blocked_ns"`
	Goroutines int              `json:"goroutines"`
	States     map[string]int64 `json:"states_ns"`
}

func newTopReport(pid int, t *top.Table) topReport {
	r := topReport{PID: pid, Time: time.Unix(0, t.Start).UTC(), Duration: t.Length, By: t.By.String(), Rows: []rowReport{},
		Total: newRowReport(&t.Total)}
	for i := range t.Rows {
		r.Rows = append(r.Rows, newRowReport(&t.Rows[i]))
	}
	return r
}

func newRowReport(r *top.Row) rowReport {
	states := make(map[string]int64, len(r.States))
	for _, s := range r.States {
		states[s.Name] = s.NS
	}
	return rowReport{r.Name, r.CPU, r.Runnable, r.Blocked, r.Goroutines, states}
}
