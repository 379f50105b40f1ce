//go:build amd64 || arm64

package perf

import (
	"cmp"
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const weighEvery = time.Second // longer than any error of the clocks matters

// OnCPU samples the target's threads while they are on a CPU. It is a sample.Source.
type OnCPU struct {
	target  *proc.Process
	options Options
	events  *events
	takers  []*taker // one for each ring
	execs   execs
	rate    rate

	all      *batch // what is being weighed
	stats    Stats
	reported atomic.Pointer[Stats]
	flushes  *source.Flushes
	clock    *proc.Clock   // the target's CPU time since the start
	shared   time.Duration // CPU time that was divided among samples
	started  bool
}

// Open opens the events; nothing is sampled before Run. The error wraps fs.ErrPermission when the
// host does not allow it and errors.ErrUnsupported when the kernel has no perf events.
func Open(p *proc.Process, o Options) (*OnCPU, error) {
	var err error
	if o.Rate, err = source.Rate(o.Rate); err != nil {
		return nil, err
	}
	e, err := openEvents(p, o)
	if err != nil {
		return nil, err
	}
	s := &OnCPU{target: p, options: o, events: e, all: new(batch), flushes: source.NewFlushes()}
	s.execs.expected, s.rate.full = o.OnExec, o.Rate
	s.takers = s.newTakers()
	s.stats.CPUs, s.stats.UserOnly = len(e.rings), e.userOnly
	return s, nil
}

func (s *OnCPU) newTakers() []*taker {
	m := newMemo()
	var ts []*taker
	for _, r := range s.events.rings {
		mem := s.target.Mem()
		if s.keepsPs() {
			mem = s.target.MemKeepingP()
		}
		ts = append(ts, &taker{ring: r, pid: uint32(s.target.PID()), rings: len(s.events.rings),
			reader: newReader(mem, s.options.Layout, m, proc.Monotonic), execs: &s.execs, rate: &s.rate, batch: new(batch), spare: new(batch)})
	}
	return ts
}

// keepsPs says whether the readers keep their Ps: that leaves two to all others.
func (s *OnCPU) keepsPs() bool {
	return s.options.Cheap && runtime.GOMAXPROCS(0) >= len(s.events.rings)+2
}

// Close releases the events. The target is not touched by it.
func (s *OnCPU) Close() error {
	s.events.Close()
	return s.clock.Close()
}

// Stats say how the sampling went, up to the last batch of samples that was emitted.
func (s *OnCPU) Stats() Stats {
	if st := s.reported.Load(); st != nil {
		return *st
	}
	return Stats{CPUs: len(s.events.rings), UserOnly: s.events.userOnly}
}

// Flush returns when all samples that were taken before the call have been emitted, or when Run has
// returned. It is for another goroutine than the one in Run, one at a time.
func (s *OnCPU) Flush() { s.flushes.Flush(nil) }

// Know tells where the target's runtime has its variables, at run-time addresses. It is to be called before
// Run. Without it more labels are lost.
func (s *OnCPU) Know(v *goruntime.Vars) {
	for _, t := range s.takers {
		if t.reader != nil {
			t.reader.know(v)
		}
	}
}

// Start lets samples be taken, which wait in the ring buffers until Run. With OnExec it is to be called
// before the target is let go. Run starts what has not been started.
func (s *OnCPU) Start() error {
	if s.started {
		return nil
	}
	s.started = true
	if s.options.OnExec {
		s.clock = s.target.ClockFromExec()
		return nil // the execve enables the events
	}
	err := s.events.start()
	s.clock = s.target.Clock()
	return err
}

// Run samples until ctx ends or the target is gone. It returns source.ErrExec when the target has become
// another program. It may be called once.
func (s *OnCPU) Run(ctx context.Context, emit func(*sample.Sample)) error {
	defer s.flushes.End()
	return s.run(ctx, emit)
}

func (s *OnCPU) run(ctx context.Context, emit func(*sample.Sample)) error {
	if err := s.Start(); err != nil {
		return err
	}
	rs, err := s.read()
	if err != nil {
		return err
	}
	err = s.sample(ctx, rs, emit)
	s.events.stop()
	if er := rs.end(); er != nil && err == nil {
		err = er
	}
	if _, er := s.weigh(emit); er != nil && err == nil {
		err = er
	}
	return err
}

// sample hands on what the readers have taken, until ctx ends or the target is gone.
func (s *OnCPU) sample(ctx context.Context, rs *readers, emit func(*sample.Sample)) error {
	weigh := time.NewTicker(weighEvery)
	defer weigh.Stop()
	for {
		var flush chan struct{}
		select {
		case <-ctx.Done():
			return nil
		case <-s.target.Exited():
			return nil
		case err := <-rs.failed:
			rs.n--
			return err
		case flush = <-s.flushes.Asked():
		case <-rs.nudge:
		case <-weigh.C:
		}
		executed, err := s.weigh(emit)
		if flush != nil {
			close(flush)
		}
		if err == nil && executed {
			err = source.Executed(s.target.PID())
		}
		if err != nil {
			return err
		}
	}
}

// swap takes all that there is from the readers, which go on with other batches. The samples are valid until the
// next call.
func (s *OnCPU) swap() (executed bool, err error) {
	s.all.reset()
	for _, t := range s.takers {
		b, er := t.swap()
		s.all.join(b)
		err = cmp.Or(err, er)
	}
	s.all.sort()
	at, executed := s.execs.last()
	if executed {
		s.all.end(at)
	}
	return executed, err
}

// SetRate lowers the rate below Options.Rate, also while Run is running: the others are taken, as most events are inherited ones
// of threads that came later, which nobody can change, and left out before they cost anything here. Which is drawn, so that no
// rhythm of the target's meets one of ours. Weights are measured, so they stay right.
func (s *OnCPU) SetRate(hz int) error {
	err := source.CheckRate(hz)
	if err == nil {
		s.rate.kept.Store(int64(hz))
	}
	return err
}

// weigh divides the CPU time that the target used since the last call among the samples taken, and emits them.
// It says whether the target has executed another program.
func (s *OnCPU) weigh(emit func(*sample.Sample)) (executed bool, err error) {
	executed, err = s.swap()
	b := s.all
	period := int64(1e9 / s.options.Rate)
	counted := (int64(len(b.samples)) + b.lost + b.skipped) * period
	used := counted
	if rusage, err := s.clock.Used(); err == nil && !executed { // else it counts for another program by now
		used = max(int64(rusage-s.shared), 0)
		s.stats.Rusage = rusage
	} else {
		s.stats.Rusage = s.shared + time.Duration(counted)
	}
	s.shared += time.Duration(used)
	if !s.events.userOnly {
		period = 0
	}
	period = b.stretch(period)
	each, first, kernel := b.share(used, period)
	s.stats.Counted += time.Duration(counted + kernel)
	now := proc.Monotonic()
	b.emit(each, first, now, emit)
	if kernel > 0 {
		emit(&sample.Sample{Time: now, State: sample.Running, Loss: sample.InKernel, Weight: kernel})
	}
	s.stats.add(b)
	st := s.stats
	s.reported.Store(&st)
	return executed, err
}
