package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func recordCommand(e *env) *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:     "record (-p PID | -- COMMAND ARG...)",
		GroupID: groupRecord,
		Short:   "Record a Go process into a pprof file",
		Long: fmt.Sprintf(`Record writes one pprof file that says where the goroutines of a Go process spend their
time. What is on a CPU is sampled. The state of every other goroutine, such as waiting for a
lock, the network or a CPU, is read from the memory of the process. Each sample has a stack
with inlined and kernel frames, the goroutine's state and its pprof labels. With --mode cpu
only time on a CPU is recorded.

The recording ends after --duration, when the process ends, or with Ctrl-C. The file is
complete in each case. A command is recorded from its first instruction, and mayfly exits
with its exit code: when the recording is over, the command goes on and is waited for. With
"go test" and "go run" the program that they build is recorded; samples of benchmarks have
the label "benchmark".

With --ring mayfly is a flight recorder. It keeps the last seconds in memory until Ctrl-C. At
each trigger it writes what happened before and after it to FILE-TIME. A trigger is a signal,
an HTTP request, the end of the process (--on), or a condition on latencies (--when):

  --when 'p99(endpoint=/fulfil)>800ms'

A latency is how long one goroutine had this label without a break. It counts if it ended
within the window and after the last trigger. With p99(endpoint=/fulfil,request) all
goroutines with the same value of the label request make one latency; without labels, as in
p99>800ms, it is that of a call of a server function. p99 may be another quantile, mean, max
or count. --when implies --timeline.

A flight recorder uses at most --ring-limit and %d MiB of memory, and %d KiB for each
goroutine that it sees in a second.`, ringBase>>20, perGoroutine>>10),
		Example: `  mayfly record -p 4242 -d 30s -o before.pb.gz
  mayfly record -F 4999 -- ./server -listen :8080
  mayfly record -o new/1.pb.gz -- go test -run '^$' -bench . ./pkg
  mayfly record -p 4242 -e page-faults,cache-misses
  mayfly record -p 4242 --ring 30s --on SIGUSR2 --when 'p99(endpoint=/fulfil)>800ms'
  go tool pprof -http=: mayfly.pb.gz`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.command, f.given = args, givenFlags(cmd.Flags())
			if len(args) == 0 && f.ring.before == 0 && !cmd.Flags().Changed("duration") {
				f.duration = duration(defaultDuration)
			}
			f.timeline = f.timeline || f.latency > 0
			if err := f.check(cmd.ArgsLenAtDash()); err != nil {
				return err
			}
			return record(cmd.Context(), e, &f)
		},
	}
	fl := cmd.Flags()
	fl.IntVarP(&f.pid, "pid", "p", 0, "record the process with this `PID`")
	fl.IntVarP(&f.rate, "rate", "F", profiler.DefaultRate, rateUsage)
	fl.VarP(&f.duration, "duration", "d", durationUsage(defaultDuration))
	fl.StringVarP(&f.output, "output", "o", "mayfly.pb.gz", "`file` to write, - for stdout; its extension picks the format")
	f.profileFlags.define(cmd)
	fl.StringVar(&f.mode, "mode", string(profiler.Wall), "what to record: wall, all states of all goroutines; cpu, time on a CPU only")
	fl.StringVar(&f.engine, "engine", "", "how to sample what is on a CPU: "+engineNames()+" (default the best that works)")
	defineOverhead(fl, &f.overhead)
	fl.Lookup("max-overhead").DefValue += ", not with --timeline"
	fl.IntVar(&f.memory, "memory-limit", profiler.DefaultMemoryLimit>>20,
		"memory that mayfly may use, in `MiB`; beyond it labels with many values become (other), and a timeline ends")
	fl.BoolVar(&f.timeline, "timeline", false, "keep each interval of each goroutine, for mayfly report")
	fl.Var(&f.latency, "latency", "keep only the part of the recording that belongs to requests that took this long or longer")
	fl.StringVar(&f.request, "request", "", "with --latency: "+requestUsage)
	fl.StringVar(&f.exact, "exact-requests", "", "with --timeline: record each call of the `function` with its exact begin and end, by "+
		"uprobes; without =FUNCTION: of the server functions of net/http and gRPC")
	fl.Lookup("exact-requests").NoOptDefVal = servers
	fl.BoolVar(&f.exactCPU, "exact-cpu", false, exactUsage)
	fl.StringSliceVarP(&f.events, "event", "e", nil, eventsUsage)
	fl.BoolVar(&f.idle, "idle", false, "include goroutines without labels that do nothing during the recording")
	fl.BoolVar(&f.goroutines, "goroutines", false, "add the goroutine id as the numeric label go.id (makes large profiles)")
	fl.StringVar(&f.user, "user", "", "run the command as this `user` (default the user who runs mayfly: root under sudo)")
	fl.BoolVar(&f.json, "json", false, "print a summary of the recording as JSON")
	fl.StringVar(&f.tests, "tests", "", "folder for a recording that go test asked for")
	fl.MarkHidden("tests")
	f.ring.define(fl)
	cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{string(profiler.Wall), string(profiler.CPU)},
		cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("event", cobra.FixedCompletions(profiler.EventNames(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions(strings.Split(engineNames(), ", "), cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("pid", completePID)
	return cmd
}

// check finds what is wrong with the command line itself; dash is the position of "--", or -1.
func (f *recordFlags) check(dash int) error {
	switch {
	case dash < 0 && len(f.command) > 0 && isPID(f.command[0]):
		return usagef("record: unexpected %q, did you mean -p %[1]s? A command to start goes after --", f.command[0])
	case dash < 0 && len(f.command) > 0:
		return usagef("record: unexpected %q: a command to start goes after --", f.command[0])
	case len(f.command) > 0 && f.pid != 0:
		return usagef("record: either -p PID or -- COMMAND, not both")
	case len(f.command) == 0 && f.pid == 0:
		return usagef("record: need a process (-p PID) or a command (-- COMMAND ARG...); mayfly list shows the Go processes")
	case f.pid < 0:
		return usagef("record: %d is not a PID", f.pid)
	case source.CheckRate(f.rate) != nil:
		return usagef("record: %w", source.CheckRate(f.rate))
	case f.memory < leastMemory:
		return usagef("record: --memory-limit %d: at least %d MiB", f.memory, leastMemory)
	case f.mode != string(profiler.Wall) && f.mode != string(profiler.CPU):
		return usagef("record: mode %q: not wall or cpu", f.mode)
	case f.latency > 0 && f.ring.before > 0:
		return usagef("record: --latency does not go with --ring: mayfly report --latency takes a window apart")
	case f.latency == 0 && f.request != "":
		return usagef("record: --request needs --latency")
	case f.timeline && f.mode != string(profiler.Wall):
		return usagef("record: --timeline needs --mode wall")
	case f.exact != "" && (!f.timeline || f.ring.before > 0):
		return usagef("record: --exact-requests needs --timeline, and does not go with --ring")
	case f.exactCPU && (f.timeline || f.ring.when != ""):
		return usagef("record: --exact-cpu counts the CPU time of label sets, and a timeline has single samples: one of the two")
	case len(f.events) > 0 && (f.timeline || f.ring.when != ""):
		return usagef("record: --event counts what has no duration, and a timeline is made of intervals: one of the two")
	case f.user != "" && len(f.command) == 0:
		return usagef("record: --user needs a command to start")
	case f.user != "" && (isGoTest(f.command) || isGo(f.command, "run")):
		return usagef("record: --user %s: go %s would record the program with the rights of %s: build it first, and record that",
			f.user, f.command[1], f.user)
	case f.json && f.output == "-":
		return usagef("record: --json and -o - both want stdout")
	}
	if err := f.checkEngine(); err != nil {
		return err
	}
	if err := errors.Join(f.checkGoTest(), f.checkGoRun()); err != nil {
		return err
	}
	if err := f.ring.check(f); err != nil {
		return err
	}
	if f.exact == servers {
		f.calls = timeline.Selector{}.Functions()
	} else if f.exact != "" {
		f.calls = []string{f.exact}
	}
	_, err := timeline.ParseSelector(f.request)
	if err != nil {
		return usagef("record: %w", err)
	}
	return f.checkFormat()
}

// servers is what --exact-requests is without a name.
const servers = "servers"

// checkFormat finds what a format does not go with.
func (f *recordFlags) checkFormat() error {
	format, err := f.of(f.output)
	if err != nil {
		return usagef("record: %w", err)
	}
	if format.Timeline && !f.timeline && f.ring.when == "" {
		return usagef("record: the format %s draws when things happened: it needs --timeline", format.Name)
	}
	if format.Timeline && f.latency > 0 {
		return usagef("record: what --latency keeps has no timeline, which the format %s needs", format.Name)
	}
	columns := []string{sample.ColumnSamples, sample.ColumnCPU}
	if f.mode == string(profiler.Wall) {
		columns = append(columns, sample.ColumnRunnable, sample.ColumnBlocked, sample.ColumnWall)
	}
	if err := f.checkColumn(append(columns, f.events...)); err != nil {
		return usagef("record: %w", err)
	}
	return nil
}

func record(ctx context.Context, e *env, f *recordFlags) (err error) {
	if f.tests != "" {
		if f.output, err = testOutput(f.tests, f.command[0]); err != nil {
			return err
		}
		f.profileFlags = profileFlags{} // what go test has made is written as it was asked for when it has ended
	}
	if err := checkOutput(e, f.output); err != nil {
		return err
	}
	if isGoTest(f.command) {
		return recordGoTest(ctx, e, f)
	}
	if isGoRun(f.command) {
		return recordGoRun(ctx, e, f)
	}
	if f.ring.before == 0 {
		limitMemory(e, int64(f.memory)<<20)
	}
	if len(f.command) > 0 {
		return recordChild(ctx, e, f)
	}
	if f.ring.before > 0 {
		return recordRing(ctx, e, f)
	}
	rec, err := recordProcess(ctx, e, f, f.pid, nil)
	return finishRecord(e, f, rec, err)
}

// recordProcess records pid with a progress line.
func recordProcess(ctx context.Context, e *env, f *recordFlags, pid int, pending *profiler.Pending) (*profiler.Recording, error) {
	line := progressLine(e)
	defer line.clear()
	o := f.options()
	o.Pending = pending
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var start time.Time
	o.Started = func(profiler.Summary) { // attaching is not part of the duration
		start = time.Now()
		e.detail("recording %d at %d Hz", pid, f.rate)
		if f.duration > 0 {
			time.AfterFunc(time.Duration(f.duration), func() { cancel(context.DeadlineExceeded) })
		}
		if f.started != nil {
			f.started(pid)
		}
	}
	o.Progress = func(n int64, cpu time.Duration) {
		line.show("recording %d: %s, %d samples, %s CPU", pid, elapsed(start, f.duration), n, cpu.Round(10*time.Millisecond))
	}
	if len(o.Calls) > 0 || o.ExactCPU {
		defer unstoppable(e)()
	}
	return profiler.Record(ctx, pid, o)
}

func elapsed(start time.Time, of duration) string {
	s := time.Since(start).Round(time.Second).String()
	if of > 0 {
		s += " of " + of.String()
	}
	return s
}

// finishRecord writes what was recorded, even if the recording ended with an error, and says so.
func finishRecord(e *env, f *recordFlags, rec *profiler.Recording, err error) error {
	if rec == nil {
		return err
	}
	f.keepSlow(e, f.output, rec.Profile)
	if werr := f.write(e, f.output, rec.Profile); werr != nil {
		return rescue(e, f.output, rec, werr)
	}
	if f.json {
		if jerr := e.json(recordReport{rec.Summary, f.output, rec.Profile.DurationNanos}); jerr != nil {
			return jerr
		}
	}
	tell(e, f, rec)
	return err
}
