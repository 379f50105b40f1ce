package profiler

import (
	"context"
	"errors"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
)

// Options.Calls: exact begins and ends of functions' calls, which scans of the goroutine table only
// know within a scan, by probes in the target's code.

// attachCalls puts the probes in. What does not work is denied: the timeline is worth having without.
func (r *recording) attachCalls(l *goruntime.Layout) {
	if len(r.options.Calls) == 0 {
		return
	}
	c, err := r.openCalls(l)
	if err != nil {
		r.deny("exact begins and ends of calls: " + err.Error())
		return
	}
	r.calls = c
}

func (r *recording) openCalls(l *goruntime.Layout) (*calls, error) {
	bin, bias := r.golang()
	if bin == nil || l == nil {
		return nil, errors.New("the executable's functions, or its runtime's layout, are not known")
	}
	exe, err := r.openImage()
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	c := &calls{bias: bias}
	var missing error
	for _, name := range r.options.Calls {
		f, err := goruntime.FindFunction(exe, bin.Func, name)
		if errors.Is(err, goruntime.ErrNoFunction) {
			missing = errors.Join(missing, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		c.functions = append(c.functions, f)
	}
	if len(c.functions) == 0 {
		return nil, missing
	}
	c.probes, err = bpf.OpenCalls(r.target, l, bpf.Code{File: exe, Bias: bias, Functions: c.functions})
	return c, err
}

// runCalls collects calls until ctx ends. A part of them would be worse than none: requests would be
// missing without a trace. So it is all or nothing.
func (r *recording) runCalls(ctx context.Context) {
	c := r.calls
	if c.err = c.probes.Run(ctx, func(call bpf.Call) { c.all = append(c.all, fold.Call(call)) }); c.err != nil {
		c.all = nil
	}
}

func (r *recording) finishCalls() {
	if r.calls == nil {
		return
	}
	r.summary.Calls = int64(len(r.calls.all))
	if r.calls.err != nil {
		r.deny("exact begins and ends of calls: " + r.calls.err.Error())
	}
}

// addCalls adds the calls to a profile that is otherwise complete.
func (r *recording) addCalls(p *profile.Profile) {
	if r.calls == nil || len(r.calls.all) == 0 {
		return
	}
	entries := make([]uint64, len(r.calls.functions))
	for i, f := range r.calls.functions {
		entries[i] = f.Addr + r.calls.bias
	}
	r.slices.Last().AddCalls(p, entries, r.calls.all)
}
