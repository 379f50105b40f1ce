package profiler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Options.ExactCPU: the CPU time of label sets, counted at each switch of goroutines. Samples know which part of it went where.

// attachExact puts the probes in. What does not work is denied: samples have CPU times, too.
func (r *recording) attachExact(l *goruntime.Layout) {
	if !r.options.ExactCPU {
		return
	}
	probes, err := r.openExact(l)
	if err != nil {
		r.deny("exact CPU times: " + err.Error())
		return
	}
	r.exact = &exact{probes: probes}
}

func (r *recording) openExact(l *goruntime.Layout) (*bpf.Exact, error) {
	bin, bias := r.golang()
	if bin == nil || l == nil {
		return nil, errors.New("the executable's functions, or its runtime's layout, are not known")
	}
	exe, err := r.openImage()
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	v := r.vars
	if v == nil {
		if v, err = goruntime.FindVars(exe, l, bin.Func); err != nil {
			return nil, err
		}
	}
	if v.SweepGen == 0 {
		return nil, errors.New("where the runtime counts collections of garbage is not known, without which label sets cannot be told apart")
	}
	s, err := goruntime.FindSwitches(exe, bin.Func)
	if err != nil {
		return nil, err
	}
	return bpf.OpenExact(r.target, bpf.ExactOptions{Layout: l, SweepGen: v.Add(bias).SweepGen, File: exe, Switches: s})
}

func (r *recording) runExact(ctx context.Context) { r.exact.probes.Run(ctx) }

// takeExact reads what was counted until the border of a slice.
func (r *recording) takeExact() {
	x := r.exact
	if x == nil || x.err != nil {
		return
	}
	x.times, x.stats, x.err = x.probes.Take()
}

// applyExact has the samples of a slice share what was counted meanwhile.
func (r *recording) applyExact(p *profile.Profile) {
	x := r.exact
	if x == nil || x.refused {
		return
	}
	if x.err == nil {
		r.summary.CPU.Profiled, x.err = fold.Exactly(p, counted(x.times), x.missing(r.summary.CPU.Rusage))
	}
	if x.err != nil {
		x.refused = true
		r.deny("exact CPU times: " + x.err.Error())
		return
	}
	r.summary.Exact.Sets = exactSets(x.times)
	if n := x.stats.Unplaced; n > 0 {
		r.deny(fmt.Sprintf("exact CPU times of more label sets at a time than there is room for: %s", n.Round(time.Microsecond)))
	}
}

// missing is what the samples of a slice stand for beyond what was counted: threads that were at work when counting began. The
// clock is not read at the same moment: what it is late by in one slice it has too much in the next one.
func (x *exact) missing(clock int64) int64 {
	x.uncounted += clock
	for _, t := range x.times {
		x.uncounted -= t.Time.Nanoseconds()
	}
	n := max(x.uncounted, 0)
	x.uncounted -= n
	return n
}

func counted(times []bpf.CPUTime) []fold.Counted {
	all := make([]fold.Counted, len(times))
	for i, t := range times {
		all[i] = fold.Counted{Labels: t.Labels, CPU: t.Time.Nanoseconds(), Probes: t.Who == bpf.Probes}
	}
	return all
}

var exactKinds = map[bpf.Counted]string{bpf.Goroutine: sample.CPUOfLabels, bpf.NoGoroutine: sample.CPUOfNone,
	bpf.UnknownLabels: sample.CPUOfLost, bpf.UnknownGoroutine: sample.CPUOfUnknown, bpf.Probes: sample.CPUOfProbes}

func exactSets(times []bpf.CPUTime) []sample.ExactCPU {
	all := make([]sample.ExactCPU, len(times))
	for i, t := range times {
		all[i] = sample.ExactCPU{Kind: exactKinds[t.Who], Labels: t.Labels, CPU: t.Time.Nanoseconds(), Error: t.Error.Nanoseconds(),
			Stints: t.Stints}
	}
	return sample.MostCPU(all)
}
