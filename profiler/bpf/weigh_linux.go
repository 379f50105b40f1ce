//go:build amd64 || arm64

package bpf

import (
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What a sample stands for is only known after the fact: the CPU time that the process's clock has
// counted since the last weighing, divided among the samples taken meanwhile, and the time that was
// stolen from their threads.

// weigh divides the CPU time that the target used since the last call among the samples held, and
// emits them.
func (s *OnCPU) weigh(emit func(*sample.Sample)) error {
	lost := s.counter(oncpuCountersLOST)
	used := s.used(int64(s.batch.len()) + int64(lost-s.lost))
	each, first := s.batch.share(used, int64(lost-s.lost))
	err := s.emitBatch(emit, weights{each, first, s.stolen(used)})
	s.emitLost(emit, int64(lost-s.lost), each)
	s.lost = lost
	s.batch.reset()
	return err
}

// used returns the CPU time in ns since the last call: by the process's own clock, which is what
// top and rusage show, or by the number of samples when the clock can no longer be read.
func (s *OnCPU) used(samples int64) int64 {
	delta := time.Duration(samples) * s.rhythm.mean(s.period())
	s.rhythm.reset()
	s.stats.Counted += delta
	if s.clockRead {
		delta = max(s.stats.Rusage-s.shared, 0)
	}
	s.shared += delta
	return int64(delta)
}

// weights are what the samples of a batch stand for, ns.
type weights struct{ each, first, stolen int64 }

// stolen is for how long the thread of each sample of the batch had its CPU and could not use it.
func (s *OnCPU) stolen(used int64) int64 {
	if s.options.Held == nil || !s.clockRead {
		return 0
	}
	n := int64(s.batch.len())
	each := s.theft.share(s.options.Held(), used, n)
	s.stats.Stolen += time.Duration(each * n)
	return each
}

func (s *OnCPU) emitBatch(emit func(*sample.Sample), w weights) error {
	if v := s.check.verdict(); v != "" {
		s.stats.Distrust = v
	}
	var sm sample.Sample
	for i := range s.batch.len() {
		if err := s.decoder.decode(s.batch.record(i), &sm); err != nil {
			return err
		}
		sm.Count, sm.Weight, sm.Stolen = 1, w.each, w.stolen
		if i == 0 {
			sm.Weight = w.first
		}
		if set, ok := s.batch.whole[i]; ok {
			sm.Labels, sm.LabelsTruncated = set, false
		}
		if s.stats.Distrust != "" {
			sm.Goid, sm.Labels, sm.LabelsTruncated, sm.Curg = 0, nil, false, nil
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
	emit(&sample.Sample{Time: monotonic(), State: sample.Running, Loss: sample.Lost, Count: n, Weight: n * each})
}
