package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"
	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/exectrace"
	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/bpf"
)

// reportDuration is how long a process is recorded for a report when nobody says: long enough for a
// p99 at ten requests a second.
const reportDuration = 30 * time.Second

// reportOverhead is the share of a core that a recording for a report may use. Its requests are
// traced by what was seen of them, so that looks are worth more here than in a profile.
const reportOverhead = 0.15

// reportFlags is the command line of report.
type reportFlags struct {
	recordFlags
	slo, request, by, format string
	exact                    bool
	args                     []string
}

func reportCommand(e *env) *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:     "report --slo 'p99<800ms' (FILE | -p PID | -- COMMAND ARG...)",
		GroupID: groupRead,
		Short:   "Name the cause of slow requests",
		Long: `Report finds the requests in a recording with a timeline, holds them against an objective, and
if it is broken says in one sentence why the slow ones are slow, with the evidence: what they
wait for is followed to what those did meanwhile who had it.

A request is a call of net/http's or gRPC's server function, or what --request says. With FILE
"-" the profile is read from stdin. Exit codes: 0 met, 3 broken, 4 undecided.`,
		Example: `  mayfly report --slo 'p99<800ms' -p 4242 -d 30s
  mayfly record --timeline -p 4242 -d 30s -o slow.pb.gz
  mayfly report --slo 'p99<800ms' --request label:request --by endpoint slow.pb.gz`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.args = args
			if err := f.check(cmd.ArgsLenAtDash()); err != nil {
				return err
			}
			return reportOn(cmd.Context(), e, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.slo, "slo", "", "the objective: p99<800ms, p99.9<1s, mean<50ms")
	fl.StringVar(&f.request, "request", "", "what a request is: label:KEY, func:NAME or goroutine:FUNC (default: the server functions of net/http and gRPC)")
	fl.StringVar(&f.by, "by", "", "one verdict for each value of this label")
	fl.StringVar(&f.format, "format", "text", "text, markdown, html or json")
	fl.StringVarP(&f.output, "output", "o", "-", "file to write, - for stdout")
	fl.IntVarP(&f.pid, "pid", "p", 0, "the process to record")
	fl.IntVarP(&f.rate, "rate", "F", bpf.DefaultRate, "samples per second of CPU time, and looks at goroutine states")
	fl.VarP(&f.duration, "duration", "d", "how long to record (default 30s; a command: until it ends)")
	fl.BoolVar(&f.exact, "exact-requests", false, "take begin and end of requests by probes in the target's code (uprobes; up to "+fmt.Sprint(bpf.MaxCallEvents/2)+" requests a second)")
	f.overhead = percentage(reportOverhead)
	fl.Var(&f.overhead, "max-overhead", overheadUsage)
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(reportFormats, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("pid", completePID)
	return cmd
}

var reportFormats = []string{"text", "markdown", "html", "json"}

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
	case f.slo == "":
		return usagef("report: no objective: --slo 'p99<800ms'")
	case sources != 1:
		return usagef("report: one recording, please: FILE, -p PID or -- COMMAND ARG...")
	case f.pid < 0:
		return usagef("report: %d is no pid", f.pid)
	case f.rate < 1 || f.rate > bpf.MaxRate:
		return usagef("report: rate %d Hz: not between 1 and %d", f.rate, bpf.MaxRate)
	case !slices.Contains(reportFormats, f.format):
		return usagef("report: format %q: not %s", f.format, strings.Join(reportFormats, ", "))
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
	if o.SLO, err = report.ParseSLO(f.slo); err != nil {
		return o, usagef("%w", err)
	}
	if o.Request, err = timeline.ParseSelector(f.request); err != nil {
		return o, usagef("%w", err)
	}
	return o, nil
}

func reportOn(ctx context.Context, e *env, f *reportFlags) error {
	if err := checkOutput(e, f.output); err != nil {
		return err
	}
	in, err := f.input(ctx, e)
	if err != nil {
		return err
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	if len(f.args) == 0 {
		ctx = context.WithoutCancel(ctx) // Ctrl-C has ended the recording, not the report on it
	}
	reports, err := within(ctx, func() ([]*report.Report, error) { return in.report(o) })
	if err != nil && !errors.Is(err, samples.ErrNotProfile) {
		err = fmt.Errorf("report %s: %w", in.name, err)
	}
	if err != nil {
		return err
	}
	if err := writeOutput(e, output{f.output, contentOf(f.format)}, func(w io.Writer) error { return report.Write(w, f.format, reports) }); err != nil {
		return err
	}
	switch reports[0].Verdict { // the worst
	case report.Broken:
		return &exitError{code: codeRegression}
	case report.Undecided:
		return &exitError{code: codeUndecided}
	}
	return nil
}

// within calls f, and returns before it has ended when ctx does: for work that cannot be interrupted
// at the end of a process.
func within[T any](ctx context.Context, f func() (T, error)) (result T, err error) {
	done := make(chan struct{})
	var got T
	var failed error
	go func() {
		defer close(done)
		got, failed = f()
	}()
	select {
	case <-done:
		return got, failed
	case <-ctx.Done():
		return result, errors.New("interrupted")
	}
}

// reportInput is what a report is made of: a recording, or a file whose samples are read one by one.
type reportInput struct {
	name      string
	recording *profile.Profile
	file      *samples.File
	trace     *exectrace.Trace // of the same seconds, or alone
}

func (in *reportInput) report(o report.Options) ([]*report.Report, error) {
	if in.trace != nil {
		return report.Of(in.trace.Timeline, o)
	}
	if in.file == nil {
		return report.New(in.recording, o)
	}
	reports, err := report.NewFrom(in.file.Head, in.file.Each(), o)
	if broken := in.file.Err(); broken != nil {
		return nil, fmt.Errorf("read %w", broken)
	}
	return reports, err
}

// input opens the file, or records.
func (f *reportFlags) input(ctx context.Context, e *env) (*reportInput, error) {
	if len(f.args) == 1 {
		return openReportInput(e, f.args[0])
	}
	f.mode, f.timeline = string(profiler.Wall), true
	var rec *profiler.Recording
	var err error
	name := fmt.Sprint(f.pid)
	if len(f.command) > 0 {
		name = f.command[0]
		rec, err = reportChild(ctx, e, f)
	} else {
		if f.duration == 0 {
			f.duration = duration(reportDuration)
		}
		rec, err = recordProcess(ctx, e, &f.recordFlags, f.pid, nil)
	}
	if rec == nil || err != nil {
		return nil, err
	}
	for _, d := range rec.Summary.Denied {
		e.warn("missing: %s", d)
	}
	return &reportInput{name: name, recording: rec.Profile}, nil
}

// reportChild records a command until it ends, or for the duration.
func reportChild(ctx context.Context, e *env, f *reportFlags) (*profiler.Recording, error) {
	c, path, err := holdCommand(f.command, childStdout(f.output == "-"))
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

// openReportInput opens a profile; "-" is stdin.
func openReportInput(e *env, path string) (in *reportInput, err error) {
	if path == "-" {
		in = &reportInput{name: "stdin"}
		return in, in.open(e.stdin)
	}
	in = &reportInput{name: path}
	return in, withFile(path, in.open)
}

// open reads a profile or, if it is one, an execution trace.
func (in *reportInput) open(r io.Reader) (err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if begin, _ := b.Peek(512); exectrace.Is(begin) {
		in.trace, err = exectrace.Read(b, exectrace.Options{})
	} else {
		in.file, err = samples.Open(b, in.name)
	}
	return err
}
