package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/google/pprof/profile"
	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/compare"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/profiler"
)

func compareCommand(e *env) *cobra.Command {
	f := compareFlags{record: recordFlags{mode: string(profiler.Wall), goroutines: true, overhead: profiler.DefaultMaxOverhead}}
	cmd := &cobra.Command{
		Use:     "compare (-p PID | -- COMMAND ARG... | [DEFAULT] MAYFLY)",
		GroupID: groupRead,
		Short:   "Say what the default 100 Hz profile of the same seconds does not show",
		Long: `Compare says what the default profile of a process, runtime/pprof at 100 Hz, does not show.
It records the process while the default profile of the same seconds is taken, or reads two
profiles from files. It says in one sentence whether the default profile is fine. Below that
are CPU time by label and by function with confidence intervals, what the default profile
never saw, and what its goroutines waited for.

The default profile comes from /debug/pprof/profile at an address that the process listens
at. --default URL names another address or path, and HTTPS. With --default none, or if there
is no such address, it is made of mayfly's own samples, thinned out to 100 Hz; the output
says so.`,
		Example: `  mayfly compare -p 4242
  mayfly compare -p 4242 --default http://localhost:6060/private/profile
  mayfly compare -- ./server -listen :8080
  mayfly compare default.pb.gz mayfly.pb.gz
  mayfly compare mayfly.pb.gz`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				f.files, f.record.command = args[:dash], args[dash:]
			} else {
				f.files = args
			}
			return runCompare(cmd.Context(), e, &f)
		},
	}
	fl := cmd.Flags()
	fl.IntVarP(&f.record.pid, "pid", "p", 0, "record the process with this `PID`")
	fl.StringVar(&f.defaultURL, "default", "", "`URL` of the process's net/http/pprof, http://HOST:PORT[/debug/pprof/profile], or none "+
		"(default: it is looked for)")
	fl.IntVarP(&f.record.rate, "rate", "F", profiler.DefaultRate, rateUsage)
	f.record.duration = duration(defaultDuration)
	fl.VarP(&f.record.duration, "duration", "d", "how long to record")
	f.result.define(cmd, compare.Formats().Names()...)
	fl.StringVar(&f.keep, "keep", "", "`folder` to keep the recorded profiles in, as "+keptDefault+" and "+keptMayfly)
	fl.Uint64Var(&f.seed, "seed", 1, "seed for thinning samples out to 100 Hz")
	cmd.RegisterFlagCompletionFunc("pid", completePID)
	return cmd
}

// check finds what is wrong with the command line.
func (f *compareFlags) check() error {
	live := f.record.pid != 0 || len(f.record.command) > 0
	switch {
	case f.record.pid != 0 && len(f.record.command) > 0, live && len(f.files) > 0:
		return usagef("compare: need one of -p PID, -- COMMAND ARG... or files, not two")
	case !live && (len(f.files) == 0 || len(f.files) > 2):
		return usagef("compare: need a process (-p PID), a command (-- COMMAND ARG...) or profiles ([DEFAULT] MAYFLY)")
	case !live && f.defaultURL != "":
		return usagef("compare: --default is for recording; with files the default profile is the first")
	case !live && f.keep != "":
		return usagef("compare: --keep is for recording")
	case live && f.record.duration < duration(time.Second):
		return usagef("compare: --duration %s: the default profile takes a second at least", &f.record.duration)
	case f.record.pid < 0:
		return usagef("compare: %d is not a PID", f.record.pid)
	case source.CheckRate(f.record.rate) != nil:
		return usagef("compare: %w", source.CheckRate(f.record.rate))
	}
	return f.result.check()
}

func runCompare(ctx context.Context, e *env, f *compareFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := checkOutput(e, f.result.output); err != nil {
		return err
	}
	if f.keep != "" {
		if err := checkOutput(e, filepath.Join(f.keep, keptMayfly)); err != nil {
			return err
		}
	}
	var defaultProfile, mayfly *profile.Profile
	var err error
	if len(f.files) > 0 {
		defaultProfile, mayfly, err = f.read()
	} else {
		defaultProfile, mayfly, err = f.take(ctx, e)
	}
	if err != nil {
		return err
	}
	r, err := compare.Compare(defaultProfile, mayfly, compare.Options{Seed: f.seed})
	if errors.Is(err, compare.ErrNoCPU) {
		return &exitError{codeIncomparable, err}
	} else if err != nil {
		return err
	}
	return writeResult(e, &f.result, compare.Formats(), r)
}

// read reads [DEFAULT] MAYFLY.
func (f *compareFlags) read() (defaultProfile, mayfly *profile.Profile, err error) {
	if len(f.files) == 2 {
		if defaultProfile, err = readProfile(f.files[0]); err != nil {
			return nil, nil, err
		}
	}
	mayfly, err = readProfile(f.files[len(f.files)-1])
	return defaultProfile, mayfly, err
}

// The files that --keep writes.
const (
	keptDefault = "default.pb.gz"
	keptMayfly  = "mayfly.pb.gz"
	keptTrace   = "trace.out" // of report
)
