//go:build amd64 || arm64

package bpf

import (
	"math"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What a sample stands for is only known after the fact: the CPU time that the process's clock has
// counted since the last weighing, divided among the samples taken meanwhile, each thread's by itself where its
// time is known; and the time that was stolen from their threads.

// weigh says what the samples held stand for, and emits them: of the CPU time that the target used since the last call, or of events.
func (s *OnCPU) weigh(emit func(*sample.Sample)) (err error) {
	lost := s.counter(oncpuCountersLOST)
	fresh := int64(lost - s.lost)
	var each int64
	if s.options.Event != nil {
		if each, err = s.scale(fresh); err != nil {
			return err
		}
	} else {
		used := s.used(int64(s.batch.len()) + fresh)
		each = s.divide(used, fresh)
		s.chargeSteal(used)
	}
	err = s.emitBatch(emit)
	s.emitLost(emit, fresh, each)
	s.lost = lost
	s.batch.reset()
	return err
}

// scale sets for how many events the batch's samples stand, and returns for how many a lost one does.
func (s *OnCPU) scale(lost int64) (each int64, err error) {
	n := s.batch.len()
	s.weights = slices.Grow(s.weights[:0], n)[:n]
	all := 0.0
	for i := range n {
		h, err := readHeader(s.batch.record(i))
		if err != nil {
			return 0, err
		}
		s.weights[i] = int64(h.Period)
		all += float64(h.Period)
	}
	if n > 0 {
		each = int64(all / float64(n))
	}
	factor := s.factor(all + float64(lost*each))
	scaled := func(v int64) int64 { return int64(math.Round(float64(v) * factor)) }
	for i, w := range s.weights {
		s.weights[i] = scaled(w)
		s.stats.Events += s.weights[i]
	}
	each = scaled(each)
	s.stats.Events += lost * each
	return each, nil
}

// factor is how many events are behind one of all that samples stand for by themselves. Where there are more events than counters of the
// CPU, the kernel has each of them counted for a part of the time, and what it was not is like what it was.
func (s *OnCPU) factor(all float64) float64 {
	if s.timers.onThreads() {
		return s.counted(all)
	}
	for i := range s.events {
		s.timers.read(i)
	}
	enabled, running := time.Duration(s.timers.enabled), time.Duration(s.timers.running)
	factor := 1.0
	if running > s.stats.Running {
		factor = float64(enabled-s.stats.Enabled) / float64(running-s.stats.Running)
	}
	s.stats.Enabled, s.stats.Running = enabled, running
	return factor
}

// counted is factor for what the kernel counts itself, to the last one. What is still in the ring has happened, too, and is not these
// samples': they are held to the count once it is empty, and never by more than a factor of two.
func (s *OnCPU) counted(all float64) float64 {
	if all == 0 {
		return 1 // what has happened waits for a sample
	}
	factor := 1.0
	if !s.more {
		factor = min(max((float64(s.counter(oncpuCountersHAPPENED))-s.happened)/all, 0.5), 2)
	}
	s.happened += factor * all
	return factor
}

// divide sets the weights of the batch's samples and returns that of a lost one. What is left for threads
// without a sample waits for one, and at the end of sampling goes to all.
func (s *OnCPU) divide(used, lost int64) (each int64) {
	n := s.batch.len()
	s.weights = slices.Grow(s.weights[:0], n)[:n]
	if s.options.ExecTimes != nil {
		s.execTimes = s.options.ExecTimes(s.execTimes[:0])
		s.accounts.read(s.execTimes)
	}
	if lost == 0 && n > 0 {
		if left, ok := s.accounts.share(s.weights, s.batch.tids, s.batch.carry+used); ok {
			s.batch.carry = left
			if s.ended {
				s.spread(0, 0)
			}
			return 0
		}
	}
	clear(s.weights)
	if n > 0 {
		s.accounts.settle()
	}
	return s.spread(used, lost)
}

// spread adds equal parts to the weights, and returns one.
func (s *OnCPU) spread(used, lost int64) (each int64) {
	each, first := s.batch.share(used, lost)
	for i := range s.weights {
		s.weights[i] += each
	}
	if len(s.weights) > 0 {
		s.weights[0] += first - each
	}
	return each
}

// chargeSteal divides the time that was stolen from the threads among the samples of the batch, by weight.
func (s *OnCPU) chargeSteal(used int64) {
	if s.stealShare = 0; s.options.ExecTimes == nil || !s.clockRead {
		return
	}
	stolen := s.steal.take(s.accounts.execTime, used, s.batch.len())
	var all int64
	for _, w := range s.weights {
		all += w
	}
	s.stealShare = float64(stolen) / float64(max(all, 1))
	s.stats.Stolen += time.Duration(stolen)
}

// used returns the CPU time in ns since the last call: by the process's own clock, which is what
// top and rusage show, or by the number of samples when the clock can no longer be read.
func (s *OnCPU) used(samples int64) int64 {
	delta := time.Duration(samples) * s.mean()
	s.stats.Counted += delta
	if s.clockRead {
		delta = max(s.stats.Rusage-s.shared, 0)
	} else {
		s.stats.Rusage = s.shared + delta
	}
	s.shared += delta
	return int64(delta)
}

// mean is what a sample stood for by the number of samples, since the last call.
func (s *OnCPU) mean() time.Duration {
	if s.options.Host != nil {
		return s.options.Host.mean()
	}
	defer s.rhythm.reset()
	return s.rhythm.mean(s.period())
}

func (s *OnCPU) emitBatch(emit func(*sample.Sample)) error {
	var sm sample.Sample
	for i := range s.batch.len() {
		if err := s.decoder.decode(s.batch.record(i), &sm); err != nil {
			return err
		}
		if e := s.options.Event; e != nil {
			sm.Event, sm.Events = e.Name, s.weights[i]
		} else {
			sm.Count, sm.Weight = 1, s.weights[i]
			sm.Stolen = int64(float64(sm.Weight) * s.stealShare)
		}
		if set, ok := s.batch.whole[i]; ok {
			sm.Labels, sm.LabelsTruncated = set.Labels, set.Truncated
		}
		if sm.LabelsTruncated && len(sm.Labels) == 0 {
			sm.LabelsTruncated, sm.LabelsLost = false, true
		}
		if sm.LabelsTruncated {
			s.stats.Truncated++
		}
		s.stats.Samples++
		emit(&sm)
	}
	return nil
}

func (s *OnCPU) emitLost(emit func(*sample.Sample), n, each int64) {
	if n == 0 {
		return
	}
	s.stats.Lost += n
	lost := sample.Sample{Time: proc.Monotonic(), State: sample.Running, Loss: sample.Lost}
	if e := s.options.Event; e != nil {
		lost.Event, lost.Events = e.Name, n*each
	} else {
		lost.Count, lost.Weight = n, n*each
	}
	emit(&lost)
}

// readClock keeps the last reading: a process that is gone has no clock.
func (s *OnCPU) readClock() {
	if s.clockRead = false; s.options.Event != nil || s.execed() {
		return // no event is time, or it counts for another program by now
	}
	used, err := s.clock.Used()
	if s.clockRead = err == nil; !s.clockRead {
		return
	}
	if s.options.OnExec && s.options.ExecTimes != nil && s.stats.Rusage == 0 && used > 0 {
		s.execTimes = s.options.ExecTimes(s.execTimes[:0])
		s.accounts.read(s.execTimes)
		s.steal.execTime = s.accounts.execTime - int64(used) // what threads had before the execve was not stolen
	}
	s.stats.Rusage = used
}

// execed says whether the target has executed another program: the one that a held command was
// to execute does not count.
func (s *OnCPU) execed() bool {
	var armed, execs uint32
	if s.objects.Armed.Get(&armed) != nil || s.objects.Execs.Get(&execs) != nil {
		return false
	}
	return execs > 0 && armed == 0
}
