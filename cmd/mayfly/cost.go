package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/overhead"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// costModes are what cost measures: the flags of record.
var costModes = map[string]recordFlags{
	"cpu":   {mode: string(profiler.CPU)},
	"wall":  {mode: string(profiler.Wall)},
	"exact": {mode: string(profiler.CPU), exactCPU: true},
}

func costCommand(e *env) *cobra.Command {
	f := costFlags{duration: duration(time.Minute), window: duration(time.Second), modes: []string{"cpu", "wall"}}
	cmd := &cobra.Command{
		Use:     "cost -p PID",
		GroupID: groupRecord,
		Short:   "Measure what recording a process costs it, on this host",
		Long: `Cost records a running process and leaves it alone in turns, and says by how much more CPU
time the process uses while it is recorded. A block is windows without a recording, with one
of twice the length, and without. Of the blocks of a mode there are the mean and its
95 % confidence interval, or "unknown" where that is too wide. What mayfly itself uses
meanwhile is a column of its own; beginning and ending a recording is not part of it.

A process that always finds more work uses the same CPU time with a recording and does less
meanwhile. --counter says where it counts its work: then the CPU time is that for a piece of
work, and pieces of work a second are compared, too.

Modes: cpu and wall are record's; exact is --mode cpu with --exact-cpu.`,
		Example: `  mayfly cost -p 4242
  mayfly cost -p 4242 --modes cpu,wall,exact -d 2m
  mayfly cost -p 4242 --counter http://localhost:9090/metrics#http_requests_total`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCost(cmd.Context(), e, &f) },
	}
	fl := cmd.Flags()
	fl.IntVarP(&f.pid, "pid", "p", 0, "the process with this `PID`")
	fl.VarP(&f.duration, "duration", "d", "how long to measure")
	fl.Var(&f.window, "window", "length of a window")
	fl.StringSliceVar(&f.modes, "modes", f.modes, "`modes` to measure: cpu, wall, exact")
	fl.StringVar(&f.counter, "counter", "", "`URL#NAME` of the count of its work: where it serves metrics in Prometheus's text format, and "+
		"which of them; equal names add up")
	f.result.define(cmd, overhead.Formats().Names()...)
	cmd.RegisterFlagCompletionFunc("pid", completePID)
	return cmd
}

// costFlags is the command line of cost.
type costFlags struct {
	pid              int
	duration, window duration
	modes            []string
	counter          string
	result           resultFlags
}

func (f *costFlags) check() error {
	for i, m := range f.modes {
		if _, ok := costModes[m]; !ok || slices.Contains(f.modes[:i], m) {
			return usagef("cost: --modes %s: each of cpu, wall and exact once at most", strings.Join(f.modes, ","))
		}
	}
	switch _, name, _ := strings.Cut(f.counter, "#"); {
	case f.pid <= 0:
		return usagef("cost: need a process (-p PID); mayfly list shows the Go processes")
	case len(f.modes) == 0:
		return usagef("cost: need a mode: cpu, wall or exact")
	case time.Duration(f.window) < 100*time.Millisecond || f.window > f.duration/4:
		return usagef("cost: --window %s: from 100ms to a quarter of --duration", &f.window)
	case f.counter != "" && name == "":
		return usagef("cost: --counter %s: need URL#NAME, such as http://localhost:9090/metrics#http_requests_total", f.counter)
	}
	return f.result.check()
}

func runCost(ctx context.Context, e *env, f *costFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := checkOutput(e, f.result.output); err != nil {
		return err
	}
	p, err := proc.Open(f.pid)
	if err != nil {
		return err
	}
	defer p.Close()
	h := &costHost{process: p, began: time.Now(), line: progressLine(e), duration: f.duration, detail: e.detail}
	defer h.line.clear()
	if f.counter != "" {
		h.work = newCounter(f.counter)
	}
	if slices.Contains(f.modes, "exact") {
		defer unstoppable(e)()
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(f.duration))
	defer cancel()
	r, err := overhead.Measure(ctx, h, f.modes, time.Duration(f.window))
	if err != nil {
		return err
	}
	r.PID = f.pid
	h.line.clear()
	return writeResult(e, &f.result, overhead.Formats(), r)
}

// costHost is this host, with the process.
type costHost struct {
	process  *proc.Process
	began    time.Time
	work     *counter // or nil
	line     *progress
	duration duration
	detail   func(format string, args ...any)
}

// Read reads the clocks. The process's is the last one: what answering for its count takes is not in the window that begins.
func (h *costHost) Read() (r overhead.Reading, err error) {
	if h.work != nil {
		if r.Work, err = h.work.read(); err != nil {
			return r, err
		}
	}
	select {
	case <-h.process.Exited():
		return r, errors.New("the process has ended")
	default:
	}
	r.Own = proc.OwnCPU()
	r.CPU, err = h.process.CPU()
	r.At = time.Since(h.began)
	h.line.show("measuring %d: %s", h.process.PID(), elapsed(h.began, h.duration))
	return r, err
}

func (h *costHost) Wait(ctx context.Context, d time.Duration) { sleepContext(ctx, d) }

// Attach begins a recording, of which nothing is kept.
func (h *costHost) Attach(ctx context.Context, mode string) (detach func() error, err error) {
	f := costModes[mode]
	f.rate = profiler.DefaultRate
	o := f.options()
	begun, ended := make(chan profiler.Summary, 1), make(chan error, 1)
	o.Started = func(s profiler.Summary) { begun <- s }
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, err := profiler.Record(ctx, h.process.PID(), o)
		ended <- err
	}()
	detach = func() error {
		cancel()
		return <-ended
	}
	select {
	case s := <-begun:
		h.detail("recording %d in mode %s", h.process.PID(), mode)
		if why := deniedExact(&s); why != "" && o.ExactCPU {
			return nil, errors.Join(errors.New(why), detach())
		}
		return detach, nil
	case err := <-ended:
		cancel()
		if err == nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
}

// deniedExact is why nothing is counted.
func deniedExact(s *profiler.Summary) string {
	for _, d := range s.Denied {
		if strings.HasPrefix(d, "exact CPU times: ") {
			return d
		}
	}
	return ""
}
