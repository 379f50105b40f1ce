package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/bench"
	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/internal/work"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func benchCommand(e *env) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:     "bench BASE NEW",
		GroupID: groupRecord, // Ctrl-C ends the experiment, and not the command
		Short:   "Run two versions of benchmarks in turns and say whether NEW is slower, and where",
		Long: `Bench runs the benchmarks of two versions in turns, records each run, and compares the
recordings as mayfly diff does. BASE and NEW are each a git revision of the repository in the
current folder, a folder, or a test binary. Each is built several times with its functions in
another order in memory (-randlayout), and each run is a fresh process. The first runs are of
BASE alone. They show the noise of this host, and smaller changes of what an operation took are
not judged. That noise is not in two comparisons: of a function with the rest of its runs, and of
the CPU time of operations of both versions side by side. For these each benchmark also runs, without
being recorded, in two processes at the same time on one CPU.

Bench ends after --time, or on Ctrl-C with what it has until then. Exit codes are those of
diff.`,
		Example: `  mayfly bench main HEAD
  mayfly bench --pkg ./internal/codec --bench Decode --time 10m v1.4.0 .
  mayfly bench --format markdown base.test new.test >> "$GITHUB_STEP_SUMMARY"`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.diff.base, f.diff.new = args[0], args[1]
			return runBench(cmd.Context(), e, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.pkg, "pkg", "", "run the benchmarks of the package at this `path` below the folder (default the folder itself)")
	fl.StringVar(&f.pattern, "bench", ".", "run the benchmarks that match this `regexp`, as go test -bench")
	fl.StringVar(&f.benchtime, "benchtime", "300ms", "how long each benchmark runs, as go test -benchtime: of many short runs more is known "+
		"than of few long ones")
	fl.StringVar(&f.mode, "mode", "wall", "what to record: wall or cpu")
	fl.IntVar(&f.layouts, "layouts", 0, "`number` of builds of each side, their functions in another order each; 1: the linker's own order; "+
		"0: as many as can be linked in a tenth of --time, 4 to 16")
	fl.IntVar(&f.runs, "runs", 0, "`number` of runs of each side, instead of as many as fit into --time")
	f.time = duration(5 * time.Minute)
	fl.Var(&f.time, "time", "how long to run")
	fl.StringVar(&f.keep, "keep", "", "`folder` to keep the recordings in, in base/ and new/ below it")
	fl.StringVar(&f.history, "history", "", "`file` to append the result to, as one line of JSON; with eight lines or more bench says "+
		"since which commit benchmarks are slower or faster")
	f.diff.verdict(cmd)
	f.diff.by = "func"
	return cmd
}

func runBench(ctx context.Context, e *env, f *benchFlags) (err error) {
	if err := f.check(e); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "mayfly-bench-")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(folder)
	b := &benchRun{e: e, f: f, line: progressLine(e), dir: folder}
	if b.past, err = readHistory(f.history); err != nil {
		return err
	}
	if f.keep != "" {
		b.dir = f.keep
	}
	for _, side := range []string{"base", "new"} {
		made, err := makeFolder(e, filepath.Join(b.dir, side))
		if err != nil {
			return writeError(b.dir, err)
		}
		made.Close()
	}
	defer b.line.clear()
	o := bench.Options{Package: f.pkg, Layouts: f.layouts, Link: time.Duration(f.time) / 10, Work: folder}
	for _, s := range []struct {
		name string
		to   **bench.Side
	}{{f.diff.base, &b.base}, {f.diff.new, &b.new}} {
		b.line.show("building %s", s.name)
		side, err := bench.Open(ctx, s.name, o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, side.Close()) }()
		*s.to = side
	}
	if err := bench.Shuffle(ctx, o, b.base, b.new); err != nil {
		return err
	}
	b.begin = time.Now()
	if err := b.run(ctx); err != nil {
		return err
	}
	return b.compare()
}

// check finds what is wrong with the command line.
func (f *benchFlags) check(e *env) error {
	switch {
	case f.layouts < 0 || f.layouts > 64:
		return usagef("bench: --layouts %d: not from 1 to 64, or 0", f.layouts)
	case f.runs < 0 || f.runs == 1:
		return usagef("bench: --runs %d: at least 2", f.runs)
	case f.mode != "wall" && f.mode != "cpu":
		return usagef("bench: --mode %q: not wall or cpu", f.mode)
	case f.time <= 0 && f.runs == 0:
		return usagef("bench: --time %s: more than 0, or --runs", f.time.String())
	case filepath.IsAbs(f.pkg) || strings.HasPrefix(filepath.Clean(f.pkg), ".."):
		return usagef("bench: --pkg %s: a path below the folder, such as ./internal/codec", f.pkg)
	}
	if _, err := f.diff.options(); err != nil {
		return err
	}
	if f.history != "" {
		if err := checkOutput(e, f.history); err != nil {
			return err
		}
	}
	return checkOutput(e, f.diff.result.output)
}

// run runs both sides in turns until the time is over.
func (b *benchRun) run(ctx context.Context) error {
	for i, turn := range bench.Order(b.pairs(), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))) {
		if b.over(i) {
			break
		}
		b.tell(i)
		err := b.one(ctx, turn)
		if ctx.Err() != nil {
			break // what there is, is compared
		}
		if err != nil {
			return err
		}
		if i > bench.First && (i-bench.First)%2 == 1 {
			b.abreast(ctx)
		}
	}
	if len(b.files[0]) < 2 || len(b.files[1]) < 2 {
		return errors.New("bench: there are not two runs of each side yet: give it more --time")
	}
	return nil
}

// pairs is how many pairs of runs there are to be, at most.
func (b *benchRun) pairs() int {
	if b.f.runs > 0 {
		return b.f.runs
	}
	return 10_000
}

// over says whether there is no time for another run. A pair is not left half done.
func (b *benchRun) over(turn int) bool {
	if b.f.runs > 0 || turn < bench.First+4 || (turn-bench.First)%2 == 1 {
		return false
	}
	each := (b.spent + b.duets.spent) / time.Duration(turn)
	return time.Since(b.begin)+2*each > time.Duration(b.f.time)
}

func (b *benchRun) tell(turn int) {
	what := "base alone, to see this host's noise"
	if turn >= bench.First {
		what = fmt.Sprintf("base and new in turns, %d and %d runs done; this host's noise is ± %.1f %%", len(b.files[0]),
			len(b.files[1]), 100*b.noise().CV)
	}
	left := (time.Duration(b.f.time) - time.Since(b.begin)).Round(time.Second)
	if b.f.runs > 0 && turn > 0 {
		left = ((b.spent + b.duets.spent) / time.Duration(turn) * time.Duration(bench.First+2*b.f.runs-turn)).Round(time.Second)
	}
	b.line.show("%s; %s left", what, max(left, 0))
}

// one records one run.
func (b *benchRun) one(ctx context.Context, turn bench.Turn) error {
	side, which, name := b.base, 0, "base"
	if turn.New {
		side, which, name = b.new, 1, "new"
	}
	dir, err := filepath.Abs(b.dir)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	path := filepath.Join(dir, name, fmt.Sprintf("%03d.pb.gz", len(b.files[which])))
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "record", "-q", "--rate", benchRate, "--mode", b.f.mode, "-o", path, "--",
		side.Binary(turn.Layout), "-test.run=^$", "-test.bench="+b.f.pattern, "-test.benchtime="+b.f.benchtime)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Dir = side.Dir()
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &errs
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("bench: a run of %s failed: %w: %s", side.Name, err, oneLine(errs.String()))
	}
	b.spent += time.Since(start)
	p, err := readProfile(path)
	if err != nil {
		return err
	}
	w := work.Read(p.Comments)
	if len(w.Benchmarks) == 0 {
		return fmt.Errorf("bench: %s has no benchmark that matches %q", side.Name, b.f.pattern)
	}
	times, ops := make(map[string]float64), make(map[string]float64)
	for name, x := range w.Benchmarks {
		times[name], ops[name] = x.Mean(), x.Ops
	}
	if !turn.New {
		b.ops, b.cpu = append(b.ops, ops), append(b.cpu, cpuSeconds(p))
	}
	b.files[which], b.times[which] = append(b.files[which], path), append(b.times[which], times)
	return nil
}

// cpuSeconds is the CPU time in a profile.
func cpuSeconds(p *profile.Profile) (sum float64) {
	for i, c := range p.SampleType {
		if c.Type != sample.ColumnCPU {
			continue
		}
		for _, s := range p.Sample {
			sum += float64(s.Value[i]) / 1e9
		}
	}
	return sum
}

// noise is that of the base's time for an operation.
func (b *benchRun) noise() bench.Noise { return bench.Measure(bench.Common(b.times[0])) }

// noiseOfCPU is that of the CPU time of the base's runs, for the same work.
func (b *benchRun) noiseOfCPU() bench.Noise {
	return bench.Measure(map[string][]float64{sample.ColumnCPU: bench.Scaled(b.cpu, b.ops, bench.Common(b.times[0]))})
}

// compare says what the runs show.
func (b *benchRun) compare() error {
	bases, news := len(b.files[0]), len(b.files[1])
	n, cpu := b.noise(), b.noiseOfCPU()
	d := &diffRun{flags: &b.f.diff, inputs: [2][]diffInput{fileInputs(b.files[0]), fileInputs(b.files[1])}}
	var err error
	if d.options, err = b.f.diff.options(); err != nil {
		return err
	}
	wanted := d.options.MinEffect
	// How long goroutines wait depends on what others on the host leave of it, more than on all else. What it does to an operation,
	// its time says.
	waits, took, used := math.Inf(1), n.Floor(bases, news), cpu.Floor(bases, news)
	d.options.Floors = map[string]float64{diff.TimeColumn: took, sample.ColumnCPU: used, diff.CPUTimeColumn: used,
		sample.ColumnRunnable: waits, sample.ColumnBlocked: waits, sample.ColumnWall: waits}
	d.remark = fmt.Sprintf("%s and %s, %d and %d runs of %d and %d layouts; neighbouring runs of base differ by ± %.2g %% of the time of an "+
		"operation and ± %.2g %% of its CPU time, so changes of these under %.2g %% and %.2g %% are not judged, and waits only shown",
		b.base.Name, b.new.Name, bases, news, b.base.Layouts(), b.new.Layouts(), 100*n.CV, 100*cpu.CV,
		100*max(wanted, took), 100*max(wanted, used))
	d.remark += b.duets.said()
	d.options.Rounds = b.duets.rounds
	if more := n.Wanted(wanted, d.options.Alpha) - min(bases, news); more > 0 && len(b.duets.rounds) < diff.EnoughRounds {
		each := b.spent / time.Duration(bases+news)
		d.remark += fmt.Sprintf("; to see %.2g %% of the time needs %d more runs a side, %s", 100*wanted, more, (2 * each * time.Duration(more)).
			Round(time.Second))
	}
	r, err := d.evaluate()
	if err != nil {
		return err
	}
	if b.f.history == "" {
		return d.finish(b.e, r)
	}
	l := b.historyLine(r, n)
	r.History = bench.Shifts(append(b.past, l), d.options.Alpha, wanted)
	outcome := d.finish(b.e, r)
	if err := b.remember(l); err != nil {
		return err
	}
	return outcome
}
