package inprocess

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/baseline"
	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// inside is a profiler of the runtime's that runs in this process.
type inside struct {
	engine profiler.Engine
	cancel context.CancelFunc
	done   chan struct{} // closed when profile and err are there
	start  time.Time
	cpu    time.Duration // of this process: at the start, then over the window

	profile *profile.Profile
	err     error
	hangs   bool // it was not done in time, and is left behind
}

// openInside starts the runtime's CPU profile or fgprof.
func openInside(e profiler.Engine) (*inside, error) {
	ctx, cancel := context.WithCancel(context.Background())
	in := &inside{engine: e, cancel: cancel, done: make(chan struct{}), start: time.Now(), cpu: proc.OwnCPU()}
	if e == profiler.FGProf {
		go func() {
			defer close(in.done)
			pprof.SetGoroutineLabels(ctx)
			in.profile, in.err = baseline.Wall(ctx, math.MaxInt64)
		}()
		return in, nil
	}
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		cancel()
		return nil, fmt.Errorf("the runtime's CPU profile: %w", err)
	}
	go func() {
		defer close(in.done)
		pprof.SetGoroutineLabels(ctx)
		<-ctx.Done()
		pprof.StopCPUProfile()
		if in.profile, in.err = profile.ParseData(b.Bytes()); in.err == nil {
			fold.Disown(in.profile)
		}
	}()
	return in, nil
}

// stop may be called again. A profiler of the runtime's that does not end is not waited for longer than a helper.
func (in *inside) stop() {
	select {
	case <-in.done:
		return
	default:
	}
	if in.hangs {
		return
	}
	in.cancel()
	select {
	case <-in.done:
		in.cpu = proc.OwnCPU() - in.cpu
	case <-time.After(patience):
		in.hangs = true
	}
}

// join puts what was seen from inside into the session's profile.
func (in *inside) join(s *Session) error {
	if in.hangs {
		return fmt.Errorf("engine %s: it did not end within %s: the stacks of all goroutines say where it is", in.engine, patience)
	}
	if in.err != nil {
		return in.err
	}
	if in.engine == profiler.FGProf {
		in.joinWall(s)
		return nil
	}
	in.weigh()
	return in.joinCPU(s)
}

// weigh makes the samples stand for the CPU time that the process's clock counted: the profiler
// reports samples times period, and its rate follows the kernel's tick.
func (in *inside) weigh() {
	var sum float64
	for _, s := range in.profile.Sample {
		sum += float64(s.Value[1])
	}
	if sum == 0 || in.cpu == 0 {
		return
	}
	for _, s := range in.profile.Sample {
		s.Value[1] = int64(float64(s.Value[1]) * float64(in.cpu) / sum)
	}
}

// joinCPU adds the runtime's CPU profile to what the helper saw of the other states.
func (in *inside) joinCPU(s *Session) error {
	p, sum := in.profile, &s.summary
	var samples int64
	for _, sm := range p.Sample {
		samples += sm.Value[0]
	}
	counted := samples * p.Period
	if s.helper == nil {
		*sum = in.describe(s)
		s.profile = p
		p.DefaultSampleType = sample.ColumnCPU
	} else {
		widen(p, func(v []int64) []int64 { return []int64{v[0], v[1], 0, 0, v[1]} }, sample.Running)
		merged, err := profile.Merge([]*profile.Profile{s.profile, p})
		if err != nil {
			return err
		}
		merged.TimeNanos, merged.DurationNanos = s.profile.TimeNanos, s.profile.DurationNanos
		fold.Reconcile(merged)
		s.profile = merged.Compact()
	}
	sum.EngineCPU, sum.CPU.Samples = string(profiler.Runtime), samples
	sum.CPU.Profiled, sum.CPU.Rusage, sum.CPU.Counted = in.cpu.Nanoseconds(), in.cpu.Nanoseconds(), counted
	if in.cpu > 0 {
		sum.CPU.RateReached = float64(samples) / in.cpu.Seconds()
	}
	sum.Denied = append(sum.Denied, fmt.Sprintf("a rate above the kernel's tick: the runtime's CPU profile has 100 Hz, and reached %.0f",
		sum.CPU.RateReached))
	return nil
}

// joinWall makes a wall profile of fgprof's. It cannot tell states, so all is unknown.
func (in *inside) joinWall(s *Session) {
	p := in.profile
	s.summary = in.describe(s)
	s.summary.EngineWall = string(profiler.FGProf)
	if p.Period > 0 {
		s.summary.Table.Rate = 1e9 / float64(p.Period)
	}
	for _, sm := range p.Sample {
		s.summary.Table.Wall += sm.Value[1]
	}
	s.denied = append(s.denied, "states, labels, and time on a CPU by itself: fgprof sees stacks and nothing else")
	widen(p, func(v []int64) []int64 { return []int64{0, 0, 0, v[1], v[1]} }, sample.Unknown)
	s.profile = p
}

// widen gives a profile the columns of a wall profile, and all its samples one state.
func widen(p *profile.Profile, values func([]int64) []int64, state sample.State) {
	p.SampleType, p.DefaultSampleType = fold.Columns(), sample.ColumnCPU
	p.PeriodType = &profile.ValueType{Type: sample.ColumnCPU, Unit: "nanoseconds"}
	for _, s := range p.Sample {
		s.Value = values(s.Value)
		if s.Label == nil {
			s.Label = make(map[string][]string)
		}
		s.Label[sample.KeyState] = []string{string(state)}
	}
}

// describe is the summary of a session without a helper.
func (in *inside) describe(s *Session) profiler.Summary {
	rate := s.options.Rate
	if rate == 0 {
		rate = int(math.Round(1e9 / float64(max(in.profile.Period, 1))))
	}
	return profiler.Summary{
		Version: s.options.Version, EngineCPU: summary.None, EngineWall: summary.None, RateAsked: rate, End: "stopped",
		CPU: summary.CPU{Rusage: in.cpu.Nanoseconds()}, Self: summary.Self{RSS: proc.OwnRSS()},
		Target: summary.Target{GoVersion: runtime.Version()},
	}
}
