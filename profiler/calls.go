package profiler

import (
	"context"
	"errors"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// Options.Calls: exact begins and ends of functions' calls, which scans of the goroutine table only
// know within a scan, by probes in the target's code. A call becomes a sample of the timeline with no
// weight in any column, so that the file stays what every reader of pprof files understands: its stack
// is the function, go.id the goroutine, end_timestamp_ns when it ended, go.call_ns how long it took.

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
	c.probes, err = bpf.OpenCalls(r.target, l, bpf.Code{File: exe, Functions: c.functions})
	return c, err
}

// runCalls collects calls until ctx ends. A part of them would be worse than none: requests would be
// missing without a trace. So it is all or nothing.
func (r *recording) runCalls(ctx context.Context) {
	c := r.calls
	if c.err = c.probes.Run(ctx, func(call bpf.Call) { c.all = append(c.all, call) }); c.err != nil {
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
	units := map[string][]string{sample.KeyEnd: {"nanoseconds"}, sample.KeyCall: {"nanoseconds"}}
	locs := make([]*profile.Location, len(r.calls.functions))
	for i, f := range r.calls.functions {
		locs[i] = r.location(p, f.Addr+r.calls.bias)
	}
	for _, c := range r.calls.all {
		if c.Function >= len(locs) || locs[c.Function] == nil {
			continue
		}
		p.Sample = append(p.Sample, &profile.Sample{
			Value: make([]int64, len(p.SampleType)), Location: locs[c.Function : c.Function+1 : c.Function+1],
			NumLabel: map[string][]int64{
				sample.KeyID: {int64(c.Goid)}, sample.KeyEnd: {c.End + r.builder.Epoch()}, sample.KeyCall: {c.End - c.Begin},
			},
			NumUnit: units,
		})
	}
}

// location adds the first instruction of a function to p.
func (r *recording) location(p *profile.Profile, addr uint64) *profile.Location {
	frames, mapping := r.symbols.Resolve(nil, addr)
	if len(frames) == 0 {
		return nil
	}
	l := &profile.Location{ID: uint64(len(p.Location) + 1), Address: addr}
	if mapping >= 0 && mapping < len(p.Mapping) {
		l.Mapping = p.Mapping[mapping]
	}
	f := frames[len(frames)-1] // the function itself: what is inlined at its beginning comes before
	l.Line = []profile.Line{{Function: functionOf(p, f), Line: int64(f.StartLine)}}
	p.Location = append(p.Location, l)
	return l
}

// functionOf is a frame's function in p, added if it is new.
func functionOf(p *profile.Profile, f symbolize.Frame) *profile.Function {
	for _, known := range p.Function {
		if known.Name == f.Func && known.Filename == f.File && known.StartLine == int64(f.StartLine) {
			return known
		}
	}
	fn := &profile.Function{ID: uint64(len(p.Function) + 1), Name: f.Func, SystemName: f.Func, Filename: f.File, StartLine: int64(f.StartLine)}
	p.Function = append(p.Function, fn)
	return fn
}
