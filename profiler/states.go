package profiler

import (
	"math/rand/v2"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// threadStates answers what a thread has been doing since it was asked about last: one of the
// states of that time, drawn by their lengths.
//
// What the thread is doing at the moment of the question would be wrong. The one who asks needs a
// CPU, on a busy machine it is the target's, and the thread that had it is waiting for it just then.
// Drawn by length, the states add up to the truth over many ticks, whoever runs when.
type threadStates struct {
	threads sample.Threads
	last    map[uint32]sample.ThreadTimes
	random  *rand.Rand
}

func newThreadStates(t sample.Threads) *threadStates {
	return &threadStates{t, make(map[uint32]sample.ThreadTimes), rand.New(rand.NewPCG(1, 2))}
}

// State is false for a thread that is not known, or was not asked about before.
func (s *threadStates) State(tid uint32) (sample.State, bool) {
	now, ok := s.threads.Times(tid)
	if !ok {
		return sample.Unknown, false
	}
	then, known := s.last[tid]
	s.last[tid] = now
	if !known {
		return sample.Unknown, false
	}
	return draw(s.random, sample.ThreadTimes{
		Running: now.Running - then.Running, Preempted: now.Preempted - then.Preempted,
		Throttled: now.Throttled - then.Throttled, Sleeping: now.Sleeping - then.Sleeping,
	})
}

func draw(r *rand.Rand, t sample.ThreadTimes) (sample.State, bool) {
	sum := max(t.Running, 0) + max(t.Preempted, 0) + max(t.Throttled, 0) + max(t.Sleeping, 0)
	if sum <= 0 {
		return sample.Unknown, false
	}
	x := r.Int64N(sum)
	for _, part := range []struct {
		ns    int64
		state sample.State
	}{{t.Running, sample.Running}, {t.Preempted, sample.Preempted}, {t.Throttled, sample.Throttled}} {
		if x < max(part.ns, 0) {
			return part.state, true
		}
		x -= max(part.ns, 0)
	}
	return sample.Syscall, true
}
