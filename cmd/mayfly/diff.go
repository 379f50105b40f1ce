package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/google/pprof/profile"
	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/internal/query"
)

// diffFlags is the command line of diff.
type diffFlags struct {
	by, per    string
	columns    []string
	result     resultFlags
	budget     string
	failOn     []string
	ops        float64
	alpha      float64
	minEffect  percentage
	cumulative bool
	anyHost    bool
	headers    []string
	base, new  string
}

// What --fail-on takes.
const (
	failRegression = "regression"
	failBudget     = "budget"
	failUndecided  = "undecided"
)

func diffCommand(e *env) *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:     "diff BASE NEW",
		GroupID: groupRead,
		Short:   "Say whether NEW is slower than BASE, and where; exit code 3 if it is",
		Long: `Diff says whether the profiles NEW show a slower program than the profiles BASE, and where.
BASE and NEW are each a file, a folder, or a comma-separated list: repeats of the same thing.
Five a side are good. With one a side use record --timeline, so that diff can see the noise
within the recording.

A Pyroscope server is asked for what pyroscope://HOST:PORT/SERVICE?from=-2h&until=-1h names
(pyroscopes:// by HTTPS). Other keys are step=10m, which cuts the range into repeats, type=, and
labels, as in env=prod. Times may be RFC 3339, too. A Parca server is asked for what its selector
says: parca://HOST:PORT/TYPE{LABELS}?from=-2h (parcas://); without a type it is CPU time.

Time is divided by the work that both sides know: the operations of benchmarks (record -- go
test -bench), or the runs of a command that ended by itself. Otherwise CPU time is compared
by share, and time off the CPU per second. --ops and --per say what the work is. A row with
"~" did not change by more than noise.

Exit codes: 0 no regression; 3 a row, a total or a limit of the budget regressed; 4 undecided
(with --fail-on undecided); 5 the profiles cannot be compared; 1 a file cannot be read.`,
		Example: `  mayfly diff old.pb.gz new.pb.gz
  mayfly diff --format markdown base/ new/ >> "$GITHUB_STEP_SUMMARY"
  mayfly diff --by label:endpoint,state --sample-index blocked base/ new/
  mayfly diff --budget perf-budget.yml --fail-on budget base/ new/
  mayfly diff 'pyroscope://db:4040/shop?from=-2h&until=-1h' 'pyroscope://db:4040/shop?from=-1h'
  mayfly diff 'parca://db:7070/{job="shop"}?from=-2h&until=-1h' 'parca://db:7070/{job="shop"}'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.base, f.new = args[0], args[1]
			return runDiff(cmd.Context(), e, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.by, "by", "func", "what a row is: func, line, state, label:KEY, or label:KEY,state")
	fl.StringSliceVar(&f.columns, "sample-index", nil, "sample `types` to compare, such as cpu, runnable, blocked, wall (default all "+
		"that both sides have)")
	fl.BoolVar(&f.cumulative, "cum", false, "compare functions together with all that they call")
	fl.Float64Var(&f.ops, "ops", 0, "`number` of operations in each profile; time is compared by operation")
	fl.StringVar(&f.per, "per", "", "`label:KEY` that has another value for each request; time is compared by request")
	fl.BoolVar(&f.anyHost, "any-host", false, "compare profiles of different kernels and CPUs")
	fl.StringArrayVar(&f.headers, "header", nil, "`KEY=VALUE` of a header for the servers that are asked; may be repeated, is never printed")
	cmd.MarkFlagsMutuallyExclusive("ops", "per")
	f.verdict(cmd)
	return cmd
}

// verdict adds what decides, and where the result goes: bench has that, too.
func (f *diffFlags) verdict(cmd *cobra.Command) {
	fl := cmd.Flags()
	f.result.define(cmd, diff.Formats().Names()...)
	f.minEffect = diff.DefaultMinEffect
	fl.Var(&f.minEffect, "min-effect", "ignore smaller relative changes, however little noise there is")
	fl.Float64Var(&f.alpha, "alpha", diff.DefaultAlpha, "upper bound on the share of false findings")
	fl.StringVar(&f.budget, "budget", "", "YAML `file` with limits (docs/diff.md)")
	fl.StringSliceVar(&f.failOn, "fail-on", []string{failRegression, failBudget},
		"what makes the exit code 3 or 4: regression, budget, undecided")
}

// options checks the command line.
func (f *diffFlags) options() (o diff.Options, err error) {
	if err = f.result.check(); err != nil {
		return o, err
	}
	if o.By, err = diff.ParseBy(f.by); err != nil {
		return o, usagef("diff: %w", err)
	}
	key, isLabel := strings.CutPrefix(f.per, "label:")
	switch {
	case f.per != "" && (!isLabel || key == ""):
		return o, usagef("diff: --per %q: not label:KEY", f.per)
	case !(f.ops >= 0) || math.IsInf(f.ops, 0): // or no number
		return o, usagef("diff: --ops %g: not a number of operations", f.ops)
	case !(f.alpha > 0 && f.alpha < 0.5):
		return o, usagef("diff: --alpha %g: not between 0 and 0.5", f.alpha)
	}
	for _, what := range f.failOn {
		if !slices.Contains([]string{failRegression, failBudget, failUndecided}, what) {
			return o, usagef("diff: --fail-on %q: not regression, budget or undecided", what)
		}
	}
	o.Columns, o.Cumulative, o.Ops, o.Per = f.columns, f.cumulative, f.ops, key
	o.Alpha, o.MinEffect, o.AnyHost = f.alpha, float64(f.minEffect), f.anyHost
	return o, nil
}

// diffRun is one run of diff.
type diffRun struct {
	flags   *diffFlags
	options diff.Options
	inputs  [2][]diffInput
	stacks  [2][]*profile.Profile // when the format wants them
	remark  string                // on how the files came about
}

func runDiff(ctx context.Context, e *env, f *diffFlags) (err error) {
	d := &diffRun{flags: f}
	if d.options, err = f.options(); err != nil {
		return err
	}
	if err := checkOutput(e, f.result.output); err != nil {
		return err
	}
	if err := d.open(ctx); err != nil {
		return err
	}
	r, err := d.evaluate()
	if err != nil {
		return err
	}
	return d.finish(e, r)
}

// open finds the profiles of both sides, and gets those that servers have.
func (d *diffRun) open(ctx context.Context) error {
	f, err := newFetcher(d.flags.headers)
	if err != nil {
		return err
	}
	if len(d.flags.headers) > 0 && !namesServer(d.flags.base) && !namesServer(d.flags.new) {
		return usagef("diff: --header is for a server: " + query.Usage)
	}
	for side, arg := range []string{d.flags.base, d.flags.new} {
		if d.inputs[side], err = f.inputs(ctx, arg); err != nil {
			return err
		}
	}
	d.remark = f.remark()
	return nil
}

// evaluate compares the profiles.
func (d *diffRun) evaluate() (r *diff.Result, err error) {
	var budget *diff.Budget
	if d.flags.budget != "" {
		if budget, err = readBudget(d.flags.budget); err != nil {
			return nil, err
		}
	}
	before, after, err := d.load(d.options.By, diff.DrawsStacks(d.flags.result.format))
	if err != nil {
		return nil, err
	}
	if r, err = diff.Compare(before, after, d.options); err != nil {
		return nil, err
	}
	if d.remark != "" {
		r.Notes = append(r.Notes, d.remark)
	}
	if err := r.Explain(func(within []string, folded map[string]string) ([]*diff.Profile, []*diff.Profile, error) {
		again := *d
		again.options.Within, again.options.Folded = within, folded
		return again.load(again.options.By, false)
	}); err != nil {
		return nil, err
	}
	if budget != nil && r.Outcome != diff.Incomparable {
		load := func(by diff.By) ([]*diff.Profile, []*diff.Profile, error) { return d.load(by, false) }
		if r.Budget, err = budget.Check(load, d.options); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func readBudget(path string) (*diff.Budget, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	defer f.Close()
	return diff.ReadBudget(f, path)
}

// load reads all profiles and adds them up by rows, one of each side at a time: only the sums stay.
func (d *diffRun) load(by diff.By, keep bool) (before, after []*diff.Profile, err error) {
	var sides [2][]*diff.Profile
	var errs [2]error
	o := d.options
	o.By = by
	var both sync.WaitGroup
	for side, inputs := range d.inputs {
		both.Go(func() {
			for _, in := range inputs {
				r, err := d.reduce(in, side, o, keep)
				if err != nil {
					errs[side] = err
					return
				}
				sides[side] = append(sides[side], r)
			}
		})
	}
	both.Wait()
	return sides[0], sides[1], cmp.Or(errs[0], errs[1])
}

// reduce reads one profile, and keeps it for the formats that draw stacks.
func (d *diffRun) reduce(in diffInput, side int, o diff.Options, keep bool) (*diff.Profile, error) {
	if !keep {
		return in.reduce(o)
	}
	p, err := in.profile()
	if err != nil {
		return nil, err
	}
	d.stacks[side] = append(d.stacks[side], p)
	return diff.Reduce(p, in.name, o), nil
}

// finish writes the comparison and turns it into an exit code.
func (d *diffRun) finish(e *env, r *diff.Result) error {
	incomparable := r.Outcome == diff.Incomparable
	if out := &d.flags.result; !incomparable || out.format != "text" && out.format != "pprof" {
		if err := writeResult(e, out, diff.Formats(), &diff.Document{Result: r, Before: d.stacks[0], After: d.stacks[1]}); err != nil {
			return err
		}
	}
	if incomparable {
		return &exitError{codeIncomparable, errors.New("diff: " + r.Verdict() + d.remedy(r))}
	}
	for _, l := range r.Budget {
		if l.Result == diff.LimitUnmatched {
			e.warn("budget: %s: no such row on either side; is it misspelt?", l.String())
		}
	}
	if d.flags.result.output != "-" {
		e.say("%s", r.Verdict())
	}
	return d.exit(r)
}

// remedy names the flag that compares all the same, where there is one.
func (d *diffRun) remedy(r *diff.Result) string {
	if r.OtherHost {
		return " (--any-host compares them all the same)"
	}
	return ""
}

func (d *diffRun) exit(r *diff.Result) error {
	fails := func(what string) bool { return slices.Contains(d.flags.failOn, what) }
	limit := func(result string) bool {
		return slices.ContainsFunc(r.Budget, func(l diff.Limit) bool { return l.Result == result })
	}
	switch {
	case fails(failRegression) && r.Outcome == diff.Regressed, fails(failBudget) && limit(diff.LimitExceeded):
		return &exitError{code: codeRegression}
	case fails(failUndecided) && (r.Undecided() || limit(diff.LimitUndecided) || limit(diff.LimitUnmatched)):
		return &exitError{code: codeUndecided}
	}
	return nil
}
