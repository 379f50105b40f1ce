//go:build amd64 || arm64

package perf

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	pollEvery  = 50 * time.Millisecond // for which the end of the context can go unnoticed
	weighEvery = time.Second           // longer than any error of the clocks matters
)

// OnCPU samples the target's threads while they are on a CPU. It is a sample.Source.
type OnCPU struct {
	target  *proc.Process
	options Options
	events  *events
	reader  *reader // nil: nothing is known of the runtime's layout

	event   event
	batch   batch
	stats   Stats
	told    atomic.Pointer[Stats]
	flushes chan chan struct{}
	over    chan struct{} // closed when Run returns
	clock   *proc.Clock   // the target's CPU time since the start
	shared  time.Duration // CPU time that was divided among samples
	execs   int
	execAt  int64 // when another program was executed, CLOCK_MONOTONIC in ns; 0: not yet
	started bool
}

// Open opens the events; nothing is sampled before Run. The error wraps fs.ErrPermission when the
// host does not allow it and errors.ErrUnsupported when the kernel has no perf events.
func Open(p *proc.Process, o Options) (*OnCPU, error) {
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Rate < 1 || o.Rate > MaxRate {
		return nil, fmt.Errorf("rate %d Hz: not between 1 and %d", o.Rate, MaxRate)
	}
	e, err := openEvents(p, o)
	if err != nil {
		return nil, err
	}
	s := &OnCPU{target: p, options: o, events: e, reader: newReader(p.Mem(), o.Layout, monotonic), flushes: make(chan chan struct{}, 1),
		over: make(chan struct{})}
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
	if st := s.told.Load(); st != nil {
		return *st
	}
	return Stats{CPUs: len(s.events.rings), UserOnly: s.events.userOnly}
}

// Flush returns when all samples that were taken before the call have been emitted, or when Run has
// returned. It is for another goroutine than the one in Run, one at a time.
func (s *OnCPU) Flush() {
	done := make(chan struct{})
	select {
	case s.flushes <- done:
	case <-s.over:
		return
	}
	select {
	case <-done:
	case <-s.over:
	}
}

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
	s.clock = s.target.Clock()
	return s.events.start()
}

// Run samples until ctx ends or the target is gone. It returns ErrExec when the target has become
// another program. It may be called once.
func (s *OnCPU) Run(ctx context.Context, emit func(*sample.Sample)) error {
	defer close(s.over)
	failed := make(chan error, 1)
	go func() { // on a thread that ends with it: nobody is to inherit the priority
		runtime.LockOSThread()
		hurry()
		failed <- s.run(ctx, emit)
	}()
	return <-failed
}

// slice is the time that a reader without rights asks to run for at a time. Linux 6.12 and later let who
// asks for less than another run first when it wakes up (kernel/sched/fair.c, PREEMPT_SHORT).
const slice = 100 * time.Microsecond

// hurry makes the thread run as soon as it is woken: by priority, or where that is not allowed by a short slice.
// Best effort.
func hurry() {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 4, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if unix.SchedSetAttr(0, &attr, 0) == nil {
		return
	}
	attr = unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: -10, Runtime: uint64(slice),
		Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if unix.SchedSetAttr(0, &attr, 0) != nil {
		attr.Nice = 0
		_ = unix.SchedSetAttr(0, &attr, 0)
	}
}

func (s *OnCPU) run(ctx context.Context, emit func(*sample.Sample)) error {
	if err := s.Start(); err != nil {
		return err
	}
	err := s.sample(ctx, emit)
	s.events.stop()
	if er := s.drain(); er != nil && err == nil {
		err = er
	}
	s.weigh(emit)
	return err
}

func (s *OnCPU) sample(ctx context.Context, emit func(*sample.Sample)) error {
	fds := make([]unix.PollFd, len(s.events.rings))
	for i, r := range s.events.rings {
		fds[i] = unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN}
	}
	next := time.Now().Add(weighEvery)
	for ctx.Err() == nil {
		if err := s.wait(fds); err != nil {
			return err
		}
		if err := s.drain(); err != nil {
			return err
		}
		select {
		case <-s.target.Exited():
			return nil
		default:
		}
		var flush chan struct{}
		select {
		case flush = <-s.flushes:
		default:
		}
		if flush == nil && s.execAt == 0 && !s.batch.full() && time.Now().Before(next) {
			continue
		}
		next = time.Now().Add(weighEvery)
		s.weigh(emit)
		if flush != nil {
			close(flush)
		}
		if s.execAt > 0 {
			return fmt.Errorf("process %d: %w", s.target.PID(), ErrExec)
		}
	}
	return nil
}

// wait waits for a sample. The event of a thread that has ended, and of all that it had created, is
// always ready: then another one tells of the same ring, and without any the clock has to do.
func (s *OnCPU) wait(fds []unix.PollFd) error {
	_, err := unix.Poll(fds, int(pollEvery/time.Millisecond))
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("wait for samples: %w", err)
	}
	over := false
	for i, f := range fds {
		if f.Revents&(unix.POLLHUP|unix.POLLERR) == 0 {
			continue
		}
		next, ok := s.events.rings[i].other(int(f.Fd))
		fds[i].Fd, over = int32(next), over || !ok
	}
	if over {
		time.Sleep(time.Millisecond)
	}
	return nil
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

func (s *OnCPU) take(h header, body []byte) error {
	switch h.kind {
	case typeSample:
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
	goid, set, v := s.reader.find(e)
	switch v {
	case found:
		sm.Goid, sm.Labels = goid, set
	case late:
		s.stats.Late++
		sm.LabelsLost = true
	case noG:
		s.stats.NoG++
	}
	return sm
}

// maxStack is kernel.perf_event_max_stack, unless somebody has changed it.
const maxStack = 127

// weigh divides the CPU time that the target used since the last call among the samples held, and
// emits them.
func (s *OnCPU) weigh(emit func(*sample.Sample)) {
	if s.execAt > 0 {
		s.batch.end(s.execAt)
	}
	period := int64(1e9 / s.options.Rate)
	counted := (int64(len(s.batch.samples)) + s.batch.lost) * period
	used := counted
	if rusage, err := s.clock.Used(); err == nil && s.execAt == 0 { // else it counts for another program by now
		used = max(int64(rusage-s.shared), 0)
		s.stats.Rusage = rusage
	} else {
		s.stats.Rusage = s.shared + time.Duration(counted)
	}
	s.shared += time.Duration(used)
	if !s.events.userOnly {
		period = 0
	}
	each, first, kernel := s.batch.share(used, period)
	s.stats.Counted += time.Duration(counted + kernel)
	for i := range s.batch.samples {
		sm := &s.batch.samples[i]
		sm.Weight = each
		if i == 0 {
			sm.Weight = first
		}
		s.stats.Samples++
		emit(sm)
	}
	if n := s.batch.lost; n > 0 {
		s.stats.Lost += n
		emit(&sample.Sample{Time: monotonic(), State: sample.Running, Loss: sample.Lost, Count: n, Weight: n * each})
	}
	if kernel > 0 {
		emit(&sample.Sample{Time: monotonic(), State: sample.Running, Loss: sample.InKernel, Weight: kernel})
	}
	s.batch.reset()
	st := s.stats
	s.told.Store(&st)
}

// exec notes that the target has executed a program: the one that a held command was to execute does not
// count.
func (s *OnCPU) exec(at int64) {
	s.execs++
	if s.execAt == 0 && (s.execs > 1 || !s.options.OnExec) {
		s.execAt = max(at, 1)
	}
}

func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}
