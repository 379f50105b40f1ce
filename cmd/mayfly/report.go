package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/exectrace"
	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler"
)

func reportCommand(e *env) *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:     "report --slo 'p99<800ms' (FILE | -p PID | -- COMMAND ARG...)",
		GroupID: groupRead,
		Short:   "Name the cause of slow requests",
		Long: `Report finds the requests in a recording and holds them against an objective (--slo). If it
is broken, report says in one sentence why the slow requests are slow, with the evidence. It
follows each wait to the goroutine that held the lock, the connection or the CPU, and to what
that goroutine did meanwhile.

Who woke whom is in the execution trace of the process. A process that serves net/http/pprof
is asked for a trace of the recorded seconds. With a recording in FILE, --trace names the
trace of the same seconds; what --keep wrote is found beside FILE. FILE may also be an execution
trace alone (runtime/trace, /debug/pprof/trace, a flight recorder; Go 1.22 or later).

With --worst, --latency or --id report judges nothing and shows single requests, moment by
moment. An output with a profile's extension (-o slow.pb.gz) then gets the part of the recording
that belongs to these requests, without its times.

A request is a call of the server function of net/http, gRPC or fasthttp, or what --request
says. p99(endpoint=/fulfil)<800ms is about requests that have this label most of the time. With
p99(request)<800ms each value of the label request is one. "-" as FILE or --trace is stdin.

Exit codes: 0 met, 3 broken, 4 undecided. Groups of --by with too few requests are listed and
not judged.`,
		Example: `  mayfly report --slo 'p99<800ms' -p 4242 -d 30s
  mayfly record --timeline -p 4242 -d 30s -o slow.pb.gz
  mayfly report --slo 'p99<800ms' --trace trace.out slow.pb.gz
  mayfly report --slo 'p99<800ms' --request label:request --by endpoint slow.pb.gz
  mayfly report --worst 3 slow.pb.gz
  mayfly report --id 4bf92f3577b34da6a3ce929d0e0e4736 slow.pb.gz
  mayfly report --latency 50ms -o over50ms.pb.gz slow.pb.gz`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.args = args
			if cmd.ArgsLenAtDash() < 0 && !cmd.Flags().Changed("duration") {
				f.duration = duration(reportDuration)
			}
			if err := f.check(cmd.ArgsLenAtDash()); err != nil {
				return err
			}
			return reportOn(cmd.Context(), e, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.slo, "slo", "", "`objective`: p99<800ms, mean<50ms; p99(endpoint=/fulfil)<800ms is about requests with that label")
	fl.StringVar(&f.request, "request", "", requestUsage)
	fl.StringVar(&f.id, "id", "", "show the requests that have a label with this `value`, such as a trace id")
	fl.IntVar(&f.worst, "worst", 0, "show so many of the slowest requests")
	fl.Var(&f.latency, "latency", "show the requests that took this long or longer")
	fl.StringVar(&f.by, "by", "", "one verdict for each value of this `label`")
	fl.StringSliceVar(&f.failOn, "fail-on", nil, "undecided: exit code 4 also if a group of --by has too few requests to be judged")
	f.result.define(cmd, report.Formats().Names()...)
	fl.IntVarP(&f.pid, "pid", "p", 0, "record the process with this `PID`")
	fl.IntVarP(&f.rate, "rate", "F", profiler.DefaultRate, rateUsage)
	fl.VarP(&f.duration, "duration", "d", durationUsage(reportDuration))
	fl.BoolVar(&f.exact, "exact-requests", false, "record begin and end of requests exactly, by uprobes (up to "+
		fmt.Sprint(profiler.MaxCalls)+" requests a second)")
	fl.StringVar(&f.trace, "trace", "", "`file` with the execution trace of the same seconds as the recording in FILE")
	f.traceLimit = exectrace.DefaultBytes >> 20
	fl.IntVar(&f.traceLimit, "trace-limit", f.traceLimit, "how much of an execution trace to read, in `MiB`; what comes after that is "+
		"left out")
	fl.StringVar(&f.keep, "keep", "", "`folder` to keep the recording in, as "+keptMayfly+", and its execution trace, as "+keptTrace)
	fl.BoolVar(&f.noTrace, "no-trace", false, "do not ask the process for its execution trace, nor read the one beside FILE")
	f.overhead = percentage(reportOverhead)
	fl.Var(&f.overhead, "max-overhead", overheadUsage)
	cmd.RegisterFlagCompletionFunc("pid", completePID)
	return cmd
}

// check finds what is wrong with the command line itself; dash is the position of "--", or -1.
func (f *reportFlags) check(dash int) error {
	if dash >= 0 {
		f.command, f.args = f.args[dash:], f.args[:dash]
	}
	sources := len(f.args)
	if f.pid != 0 {
		sources++
	}
	if len(f.command) > 0 {
		sources++
	}
	switch {
	case f.slo == "" && !f.picks():
		return usagef("report: need an objective, such as --slo 'p99<800ms', or which requests to show: --worst 3, --latency 50ms, --id VALUE")
	case f.slo != "" && f.picks():
		return usagef("report: --slo judges, and --worst, --latency and --id show single requests: one of the two")
	case sources != 1:
		return usagef("report: need one of FILE, -p PID or -- COMMAND ARG...")
	case f.pid < 0:
		return usagef("report: %d is not a PID", f.pid)
	case source.CheckRate(f.rate) != nil:
		return usagef("report: %w", source.CheckRate(f.rate))
	case f.traceLimit < 1 || f.traceLimit > 1<<14:
		return usagef("report: --trace-limit %d: between 1 and %d MiB", f.traceLimit, 1<<14)
	case f.trace != "" && len(f.args) == 0:
		return usagef("report: --trace goes with a recording in FILE; a process is asked for its own trace")
	case f.keep != "" && len(f.args) > 0:
		return usagef("report: --keep is for recording")
	case f.trace == "-" && f.args[0] == "-":
		return usagef("report: the trace and the recording cannot both be stdin")
	case slices.ContainsFunc(f.failOn, func(what string) bool { return what != failUndecided }):
		return usagef("report: --fail-on %q: not undecided", f.failOn)
	}
	if err := f.checkResult(&f.result); err != nil {
		return err
	}
	o, err := f.options()
	switch {
	case err != nil || !f.exact:
		return err
	case len(f.args) > 0:
		return usagef("report: --exact-requests is for recording: mayfly record --exact-requests puts them into a file")
	case o.Request.By == timeline.Label || o.Request.By == timeline.Goroutine:
		return usagef("report: --exact-requests are calls of a function: --request func:NAME")
	}
	f.calls = o.Request.Functions()
	return nil
}

func (f *reportFlags) options() (report.Options, error) {
	o := report.Options{By: f.by}
	var err error
	if !f.picks() {
		if o.SLO, err = report.ParseSLO(f.slo); err != nil {
			return o, usagef("%w", err)
		}
	}
	if o.Request, err = timeline.ParseSelector(f.request); err != nil {
		return o, usagef("%w", err)
	}
	if f.request != "" && o.SLO.Request() != (timeline.Selector{}) {
		return o, usagef("report: --request %s and %s both say what a request is: one of the two", f.request, f.slo)
	}
	return o, nil
}

func reportOn(ctx context.Context, e *env, f *reportFlags) error {
	if err := checkOutput(e, f.result.output); err != nil {
		return err
	}
	if f.keep != "" {
		if err := checkOutput(e, filepath.Join(f.keep, keptMayfly)); err != nil {
			return err
		}
	}
	in, closeAll, err := f.input(ctx, e)
	if err != nil {
		return err
	}
	defer closeAll()
	o, err := f.options()
	if err != nil {
		return err
	}
	if o.Recording, err = f.save(e, in); err != nil {
		return err
	}
	if in.file == nil && in.recording == nil {
		if o.Trace = f.args[0]; o.Trace == "-" {
			o.Trace = "FILE"
		}
	}
	if len(f.args) == 0 {
		ctx = context.WithoutCancel(ctx) // Ctrl-C has ended the recording, not the report on it
	}
	collectOften(e)
	if f.picks() {
		return f.showRequests(ctx, e, in, &f.result)
	}
	reports, err := within(ctx, func() ([]*report.Report, error) { return in.report(o) })
	if err != nil && !errors.Is(err, samples.ErrNotProfile) {
		err = fmt.Errorf("report %s: %w", in.name, err)
	}
	if err != nil {
		return err
	}
	if err := writeResult(e, &f.result, report.Formats(), reports); err != nil {
		return err
	}
	if len(f.args) == 0 && f.keep == "" && reports[0].Verdict == report.Broken {
		e.say("the recording is not kept: --keep FOLDER keeps it for go tool pprof, and for another report")
	}
	return f.outcome(reports)
}

// save keeps what was recorded, if that is wanted. It returns the path of the profile, "" if there is none.
func (f *reportFlags) save(e *env, in *reportInput) (path string, err error) {
	switch {
	case in.file != nil && f.args[0] != "-":
		return f.args[0], nil
	case in.recording == nil || f.keep == "":
		return "", nil
	}
	path = filepath.Join(f.keep, keptMayfly)
	if err := writeProfile(e, path, in.recording); err != nil {
		return "", err
	}
	if in.fetched == nil {
		return path, nil
	}
	return path, writeOutput(e, output{filepath.Join(f.keep, keptTrace), binaryData}, func(w io.Writer) error {
		_, err := w.Write(in.fetched)
		return err
	})
}

// outcome is the exit code that the worst verdict is worth. Groups that are not judged count if they are asked for.
func (f *reportFlags) outcome(reports []*report.Report) error {
	few := slices.ContainsFunc(reports, func(r *report.Report) bool { return r.Verdict == report.Few })
	switch v := reports[0].Verdict; {
	case v == report.Broken:
		return &exitError{code: codeRegression}
	case v == report.Undecided, few && len(f.failOn) > 0:
		return &exitError{code: codeUndecided}
	}
	return nil
}

// input opens the files, or records.
func (f *reportFlags) input(ctx context.Context, e *env) (in *reportInput, closeAll func(), err error) {
	if len(f.args) == 1 {
		return openReportInput(e, f)
	}
	f.mode, f.timeline = string(profiler.Wall), true
	in = &reportInput{name: fmt.Sprint(f.pid), limit: int64(f.traceLimit) << 20}
	var fetch *traceFetch
	if !f.noTrace {
		f.started = func(pid int) { fetch = fetchTrace(ctx, e, pid, f) }
	}
	var rec *profiler.Recording
	if len(f.command) > 0 {
		in.name = f.command[0]
		rec, err = reportChild(ctx, e, f)
	} else {
		rec, err = recordProcess(ctx, e, &f.recordFlags, f.pid, nil)
	}
	fetch.into(in)
	if rec == nil || err != nil {
		return nil, nil, err
	}
	for _, d := range rec.Summary.Denied {
		e.warn("missing: %s", d)
	}
	in.recording = rec.Profile
	return in, func() {}, nil
}

// reportChild records a command until it ends, or for the duration.
func reportChild(ctx context.Context, e *env, f *reportFlags) (*profiler.Recording, error) {
	c, path, err := holdCommand(&f.recordFlags, childStdout(f.output == "-"))
	if err != nil {
		return nil, err
	}
	rec, err := recordProcess(ctx, e, &f.recordFlags, c.cmd.Process.Pid, &profiler.Pending{Exe: path, Release: c.release})
	c.drop()
	if rec == nil {
		c.cmd.Wait()
		return nil, err
	}
	return rec, errors.Join(err, c.end())
}
