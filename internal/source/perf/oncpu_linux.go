//go:build amd64 || arm64

package perf

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
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
	reader  *reader      // nil: nothing is known of the runtime's layout
	lowered atomic.Int64 // Hz; 0: never

	mu     sync.Mutex // of those who read the rings: for all up to execAt
	event  event
	batch  *batch // that samples are added to
	execs  int
	execAt int64 // when another program was executed, CLOCK_MONOTONIC in ns; 0: not yet

	spare    *batch // the one that was weighed last
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
	s := &OnCPU{target: p, options: o, events: e, reader: newReader(p.Mem(), o.Layout, proc.Monotonic),
		batch: new(batch), spare: new(batch), flushes: source.NewFlushes()}
	s.stats.CPUs, s.stats.UserOnly = len(e.rings), e.userOnly
	return s, nil
}

// Close releases the events. The target is not touched by it.
func (s *OnCPU) Close() error {
	s.events.close()
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
	if s.reader != nil {
		s.reader.know(v)
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

// drain takes all records that there are.
func (s *OnCPU) drain() error {
	for _, r := range s.events.rings {
		if err := r.each(s.take); err != nil {
			return fmt.Errorf("read samples: %w", err)
		}
	}
	return nil
}

// swap takes all that there is from the readers, which go on with another batch.
func (s *OnCPU) swap() (*batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.drain()
	b := s.batch
	if b.execAt = s.execAt; b.execAt > 0 {
		b.end(b.execAt)
	}
	b.carry = s.spare.carry // of the last one that was weighed
	s.batch, s.spare = s.spare, b
	return b, err
}

func (s *OnCPU) take(h header, body []byte) error {
	switch h.kind {
	case typeSample:
		if s.skips() {
			s.batch.skipped++
			return nil
		}
		if err := parseSample(body, &s.event); err != nil {
			return err
		}
		s.batch.add(s.observe(&s.event), &s.event)
	case typeLost:
		n, err := parseLost(body)
		if err != nil {
			return err
		}
		s.batch.lost += int64(n)
	case typeComm:
		if h.misc&miscCommExec != 0 {
			s.exec(parseTime(body))
		}
	}
	return nil
}

// SetRate lowers the rate below Options.Rate, also while Run is running: the others are taken, as most events are inherited ones
// of threads that came later, which nobody can change, and left out before they cost anything here. Which is drawn, so that no
// rhythm of the target's meets one of ours. Weights are measured, so they stay right.
func (s *OnCPU) SetRate(hz int) error {
	err := source.CheckRate(hz)
	if err == nil {
		s.lowered.Store(int64(hz))
	}
	return err
}

func (s *OnCPU) skips() bool {
	hz := s.lowered.Load()
	return hz > 0 && hz < int64(s.options.Rate) && rand.Int64N(int64(s.options.Rate)) >= hz
}

// observe makes a sample of an event, without stacks and weight.
func (s *OnCPU) observe(e *event) sample.Sample {
	sm := sample.Sample{Time: e.time, PID: e.pid, TID: e.tid, State: sample.Running, Count: 1}
	if !e.hasRegs || len(e.user) == 0 {
		sm.Loss = sample.Unwalked
		return sm
	}
	sm.Leaf = sample.Leaf{SP: e.regs.sp, BP: e.regs.bp, LR: e.regs.lr, Words: e.stack, Valid: e.hasStack}
	if len(e.user) >= maxStack {
		sm.Loss = sample.Truncated
	}
	if s.reader == nil {
		return sm
	}
	g, v := s.reader.find(e)
	switch v {
	case found:
		sm.Goid, sm.Created, sm.Labels = g.goid, g.created, g.set
	case late:
		s.batch.late++
		sm.LabelsLost = s.reader.l.G.Labels >= 0
	case left:
		s.batch.noG++
		sm.LabelsLost = s.reader.l.G.Labels >= 0
	case noG:
		s.batch.noG++
	}
	return sm
}

// maxStack is kernel.perf_event_max_stack, unless somebody has changed it.
const maxStack = 127

// weigh divides the CPU time that the target used since the last call among the samples taken, and emits them.
// It says whether the target has executed another program.
func (s *OnCPU) weigh(emit func(*sample.Sample)) (executed bool, err error) {
	b, err := s.swap()
	executed = b.execAt > 0
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
	b.reset()
	st := s.stats
	s.reported.Store(&st)
	return executed, err
}

// exec notes that the target has executed a program: the one that a held command was to execute does not
// count.
func (s *OnCPU) exec(at int64) {
	s.execs++
	if s.execAt == 0 && (s.execs > 1 || !s.options.OnExec) {
		s.execAt = max(at, 1)
	}
}
