// Package profiler records what a Go process does and returns it as a pprof profile.
//
//	rec, err := profiler.Record(ctx, pid, profiler.Options{})
//	err = rec.Profile.Write(file)
//
// A source (package bpf) observes the target and emits samples. A Builder folds samples into one
// *profile.Profile: it puts back the caller of the leaf, cuts stacks where they end, resolves
// addresses to functions, lines and inlined frames (package symbolize), and keeps goroutine labels.
// Everything after that is a function of profiles: package export writes them, go tool pprof reads
// them.
//
// The target is observed from outside: it is never stopped, signalled or written to.
package profiler

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/bpf"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// ErrNoProcess is wrapped by errors about a process that does not exist or has ended.
var ErrNoProcess = proc.ErrNoProcess

// ErrNotGo is wrapped by errors about a program that was not built by Go.
var ErrNotGo = goruntime.ErrNotGo

// Options say how to record. The zero value records at 999 Hz until the context ends.
type Options struct {
	// Rate is the number of samples per second of the target's CPU time; 0 is bpf.DefaultRate.
	Rate int
	// Keep says what the profile keeps beyond stacks and labels.
	Keep Keep
	// Pending is set when the process has not yet executed the program that is to be recorded.
	Pending *Pending
	// Version is what the comments say mayfly's version is.
	Version string
	// Started is called once, when the first sample may come.
	Started func()
	// Progress is called now and then with the number of samples so far, from one goroutine.
	Progress func(samples int64, cpu time.Duration)
}

// Pending is a process that waits, and executes Exe when Release is called. Release returns when
// it has.
type Pending struct {
	Exe     string
	Release func() error
}

// Recording is what Record returns: a profile that is complete, and what it is worth.
type Recording struct {
	Profile *profile.Profile
	Summary Summary
}

// Record samples the process until ctx ends or the process is gone, whichever comes first; both
// are a normal end. Errors wrap ErrNoProcess, ErrNotGo, fs.ErrPermission (a right is missing; the
// text names it) or errors.ErrUnsupported (the kernel or platform lacks something).
//
// When the error comes after the first sample, the recording is returned with it.
func Record(ctx context.Context, pid int, o Options) (*Recording, error) {
	r, err := open(pid, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	return r.run(ctx)
}

// recording is a recording under way.
type recording struct {
	options Options
	target  *proc.Process
	symbols *symbolize.Symbolizer
	source  *bpf.OnCPU
	builder *Builder
	summary Summary

	opened  time.Time
	selfCPU time.Duration
}

func open(pid int, o Options) (*recording, error) {
	r := &recording{options: o, opened: time.Now(), selfCPU: selfCPU()}
	if r.options.Rate == 0 {
		r.options.Rate = bpf.DefaultRate
	}
	var err error
	if r.target, err = proc.Open(pid); errors.Is(err, ErrNoProcess) {
		return nil, fmt.Errorf("record %d: %w (mayfly list shows the Go processes)", pid, ErrNoProcess)
	} else if err != nil {
		return nil, fmt.Errorf("record %d: %w", pid, err)
	}
	if err := r.attach(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// attach opens everything that needs the target, in the order of what is likeliest to be refused.
func (r *recording) attach() error {
	layout, err := r.layout()
	if err != nil {
		return err
	}
	r.source, err = bpf.Open(r.target, bpf.Options{Rate: r.options.Rate, Layout: layout, InGo: r.inGo, OnExec: r.options.Pending != nil})
	if err != nil {
		return err
	}
	if p := r.options.Pending; p != nil {
		if err := p.Release(); err != nil {
			return err
		}
	}
	if r.symbols, err = symbolize.New(r.target, symbolize.Options{}); err != nil {
		return err
	}
	r.builder = NewBuilder(r.symbols, r.options.Keep)
	r.summary.AttachTime = time.Since(r.opened).Nanoseconds()
	return nil
}

// inGo is for the source's check of the layout; there are symbols by the time it samples.
func (r *recording) inGo(pc uint64) bool { return r.symbols.InGo(pc) }

// layout reads where the target's runtime keeps goroutines and labels. An unknown version is no
// reason to fail: samples without labels are worth having.
func (r *recording) layout() (*goruntime.Layout, error) {
	f, err := r.executable()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := goruntime.Read(f)
	var unknown *goruntime.UnknownVersionError
	switch {
	case errors.As(err, &unknown):
		r.deny("goroutine ids and labels: " + err.Error())
		r.summary.GoVersion = unknown.Version
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("record %s: %w", r.name(), err)
	}
	r.summary.GoVersion, r.summary.Layout = l.Version, l.From
	return l, nil
}

// name is what error messages call the target.
func (r *recording) name() string {
	if p := r.options.Pending; p != nil {
		return p.Exe
	}
	return fmt.Sprintf("%d (%s)", r.target.PID(), r.target.Comm())
}

func (r *recording) executable() (*os.File, error) {
	if p := r.options.Pending; p != nil {
		return os.Open(p.Exe)
	}
	return r.target.Exe()
}

func (r *recording) deny(what string) { r.summary.Denied = append(r.summary.Denied, what) }

func (r *recording) close() {
	if r.source != nil {
		r.source.Close()
	}
	if r.symbols != nil {
		r.symbols.Close()
	}
	r.target.Close()
}

func (r *recording) run(ctx context.Context) (*Recording, error) {
	start := time.Now()
	if r.options.Started != nil {
		r.options.Started()
	}
	err := r.source.Run(ctx, r.add)
	length := time.Since(start)
	r.finish(ctx, err)
	p := r.builder.Profile()
	r.describe(p, start, length)
	if errors.Is(err, bpf.ErrExec) {
		err = nil // the recording ends there, and End says so
	}
	return &Recording{Profile: p, Summary: r.summary}, err
}

func (r *recording) add(s *sample.Sample) {
	r.builder.Add(s)
	if r.options.Progress != nil {
		r.options.Progress(r.builder.tally.Samples, time.Duration(r.builder.tally.CPU))
	}
}

// finish fills in what is known once the source has ended.
func (r *recording) finish(ctx context.Context, err error) {
	st, t, s := r.source.Stats(), r.builder.Tally(), &r.summary
	s.Version, s.EngineCPU = r.options.Version, "ebpf"
	s.RateAsked = r.options.Rate
	s.Samples, s.Lost = t.Samples, t.Lost
	s.CPUProfiled, s.CPURusage, s.CPUCounted = t.CPU, st.Rusage.Nanoseconds(), st.Counted.Nanoseconds()
	if t.CPU > 0 {
		s.RateReached = float64(t.Samples+t.Lost) / (float64(t.CPU) / 1e9)
	}
	s.GoroutinesSeen = t.Goroutines
	if t.CPU > 0 {
		s.UnlabeledShare = float64(t.Unlabeled) / float64(t.CPU)
	}
	s.LabelsCompleted, s.LabelsTruncated = st.Completed, st.Truncated
	if n := t.Rooted + t.Unrooted; n > 0 {
		s.StacksRooted = float64(t.Rooted) / float64(n)
	}
	s.CallersRepaired = t.Repaired
	if st.Distrust != "" {
		r.deny("goroutine ids and labels: the layout of " + s.GoVersion + " does not fit this process: " + st.Distrust)
	}
	for _, w := range r.symbols.Warnings() {
		r.deny(w)
	}
	s.End = ending(ctx, r.target, err)
	if host, err := proc.HostRights(); err == nil {
		s.Kernel = host.Kernel
	}
	if maps := r.symbols.Mappings(); len(maps) > 0 {
		s.BuildID = maps[0].BuildID
	}
	s.SelfCPU = (selfCPU() - r.selfCPU).Nanoseconds()
	s.SelfRSS = selfRSS()
}

func ending(ctx context.Context, p *proc.Process, err error) string {
	switch {
	case errors.Is(err, bpf.ErrExec):
		return "the target executed another program"
	case err != nil:
		return err.Error()
	case !p.Alive():
		return "the target exited"
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return "duration reached"
	}
	return "interrupted"
}

// describe fills in what belongs to the recording and not to its samples.
func (r *recording) describe(p *profile.Profile, start time.Time, length time.Duration) {
	p.TimeNanos, p.DurationNanos = start.UnixNano(), length.Nanoseconds()
	p.Period = int64(1e9 / r.options.Rate)
	if s := r.summary; s.Samples > 0 && s.RateReached > 0 {
		p.Period = int64(1e9 / s.RateReached)
	}
	p.Comments = r.summary.Comments()
}
