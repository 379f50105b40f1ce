//go:build linux && (amd64 || arm64)

package bpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	drainEvery = 50 * time.Millisecond  // 8 MiB of ring hold more than a second at 10 kHz on 2 CPUs
	drainRare  = 250 * time.Millisecond // where few samples come: to wake up costs more than they do
	weighEvery = time.Second            // longer than any error of the clocks matters
)

// Start lets samples be taken, which wait in the ring buffer until Run. With OnExec it is to be called
// before the target is let go: what a program does at its beginning is over when its mappings have been read. Run
// starts what has not been started.
func (s *OnCPU) Start() error {
	if s.started {
		return nil
	}
	s.started = true
	if err := s.begin(); err != nil {
		return err
	}
	if s.options.Event != nil {
		return nil
	}
	if s.clock = s.target.Clock(); s.options.OnExec {
		s.clock = s.target.ClockFromExec()
	}
	if s.options.ExecTimes != nil {
		s.accounts.read(s.options.ExecTimes(nil))
		s.accounts.settle()
		s.steal.execTime = s.accounts.execTime
	}
	return nil
}

// begin has the timers call the program, stop no longer.
func (s *OnCPU) begin() (err error) {
	if h := s.options.Host; h != nil {
		if s.leave, err = h.sample(s.target.PID(), s.objects.Sample); err == nil {
			return nil
		}
		h.release()
		s.options.Host = nil
		if err = s.timers.open(s.objects.Sample.FD(), s.options.Rate); err != nil {
			return err
		}
	}
	return s.timers.start()
}

func (s *OnCPU) stop() {
	_ = s.events.stop()
	if s.leave != nil {
		s.leave()
		s.leave = nil
	}
}

// follow has the timers follow the target, and notes what came of it.
func (s *OnCPU) follow() {
	if s.options.Host != nil {
		s.stats.CPUs, s.stats.Unsampled = s.options.Host.state()
		return
	}
	s.turn(int(s.rate.Load()))
	s.stats.CPUs, s.stats.Unsampled = len(s.events), s.unsampled
}

// Run samples until ctx ends or the target is gone. It returns source.ErrExec when the target has become
// another program. It may be called once.
func (s *OnCPU) Run(ctx context.Context, emit func(*sample.Sample)) error {
	defer s.flushes.End()
	s.complete = newCompleter(s.target.Mem(), s.options.Layout)
	defer s.complete.close()
	if err := s.Start(); err != nil {
		return err
	}
	err := s.sample(ctx, emit)
	s.stop()
	s.readClock()
	if er := s.drain(); er != nil && err == nil {
		err = er
	}
	s.ended = true
	if er := s.weigh(emit); er != nil && err == nil {
		err = er
	}
	s.stats.NoG = int64(s.counter(oncpuCountersNO_G))
	s.report()
	return err
}

// Flush returns when all samples that were taken before the call have been emitted, or when Run has
// returned. It is for another goroutine than the one in Run, one at a time.
func (s *OnCPU) Flush() {
	s.flushes.Flush(s.bell.ring)
}

func (s *OnCPU) sample(ctx context.Context, emit func(*sample.Sample)) error {
	wake := context.AfterFunc(ctx, s.bell.ring)
	defer wake()
	s.bell.idle = s.idle
	next := time.Now().Add(weighEvery)
	asked := func() bool { return s.flushes.Waiting() || s.more }
	for ctx.Err() == nil {
		s.rested.Store(proc.Monotonic())
		s.bell.wait(ctx, s.pause(), asked)
		if err := s.drain(); err != nil {
			return err
		}
		s.follow()
		execed := s.execed()
		s.readClock()
		select {
		case <-s.target.Exited():
			return nil
		default:
		}
		flush := s.flushes.Take()
		// Without a sample there is nothing to divide: what is used meanwhile waits for one, and to read what each thread had is the
		// dearest part.
		if flush == nil && !execed && !s.batch.full() && (s.batch.len() == 0 || time.Now().Before(next)) {
			continue
		}
		next = time.Now().Add(weighEvery)
		if err := s.weigh(emit); err != nil {
			return err
		}
		s.report()
		if flush != nil {
			close(flush)
		}
		if execed {
			return source.Executed(s.target.PID())
		}
	}
	return nil
}

// idle says whether there is nothing to do, but once in a while: then the goroutine that samples is not woken. It is asked on another one.
func (s *OnCPU) idle() bool {
	select {
	case <-s.target.Exited():
		return false
	default:
	}
	return s.options.Host != nil && s.reader.AvailableBytes() == 0 && !s.flushes.Waiting() && !s.execed() &&
		proc.Monotonic()-s.rested.Load() < int64(weighEvery)
}

// pause is for how long samples gather.
func (s *OnCPU) pause() time.Duration {
	if s.rate.Load() <= fewSamples {
		return drainRare
	}
	return drainEvery
}

// drain takes the records that are in the ring, until the batch is full. It makes no system call where there are none.
func (s *OnCPU) drain() error {
	for s.more = true; !s.batch.full(); {
		if s.reader.AvailableBytes() == 0 {
			s.more = false
			return nil
		}
		err := s.reader.ReadInto(&s.rec)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.more = false
			return nil
		}
		if err != nil {
			return fmt.Errorf("read samples: %w", err)
		}
		if err := s.take(s.rec.RawSample); err != nil {
			return err
		}
	}
	return nil
}

// take holds a record. What has to be read from the target's memory is read now: the sooner, the
// likelier the goroutine still is what it was.
func (s *OnCPU) take(raw []byte) error {
	h, err := readHeader(raw)
	if err != nil {
		return err
	}
	if h.has(oncpuRecordFlagsDOUBTFUL) {
		s.stats.Doubtful++
	}
	s.batch.add(raw, h.Tid)
	if !h.has(oncpuRecordFlagsLABELS_PARTIAL) {
		return nil
	}
	if set, ok := s.complete.complete(&h); ok {
		s.batch.complete(s.batch.len()-1, set)
		s.stats.Completed++
	}
	return nil
}

func (s *OnCPU) report() {
	st := s.stats
	s.reported.Store(&st)
}
