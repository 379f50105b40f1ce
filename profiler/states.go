package profiler

import (
	"math/rand/v2"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
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
	target  *proc.Process // nil: blocked knows nothing
	last    map[uint32]sample.ThreadTimes
	blocked map[uint32]string // threads that were not switched yet: the system call that they are in
	random  *rand.Rand
}

func newThreadStates(t sample.Threads, target *proc.Process) *threadStates {
	return &threadStates{
		threads: t, target: target, last: make(map[uint32]sample.ThreadTimes), blocked: make(map[uint32]string), random: rand.New(rand.NewPCG(1, 2)),
	}
}

// State is for a goroutine that has had the thread since the last question. It is false for a thread
// that is not known, or was not asked about before. It makes system calls only when it meets a thread
// that has slept since before the scheduler was watched.
func (s *threadStates) State(tid uint32) (sample.State, string, bool) {
	now, ok := s.threads.Times(tid)
	if !ok {
		return sample.Unknown, s.call(tid), false
	}
	then, known := s.last[tid]
	s.last[tid] = now
	if !known {
		return sample.Unknown, "", false
	}
	state, ok := draw(s.random, sample.ThreadTimes{
		Running: now.Running - then.Running, Preempted: now.Preempted - then.Preempted,
		Throttled: now.Throttled - then.Throttled, Sleeping: now.Sleeping - then.Sleeping,
	})
	if state != sample.Syscall {
		return state, "", ok
	}
	return state, now.Call, ok
}

// maxAsked bounds the threads of which is known in which system call they are.
const maxAsked = 1 << 13

// call is the system call in which a thread has been since before the scheduler was watched. It can
// only leave it by a switch, so asking once will do.
func (s *threadStates) call(tid uint32) string {
	name, asked := s.blocked[tid]
	if !asked && s.target != nil {
		name = proc.CallName(s.target.Call(tid))
		if len(s.blocked) >= maxAsked { // threads that have ended, nearly all of them
			clear(s.blocked)
		}
		s.blocked[tid] = name
	}
	return name
}

// displaced is how close to the beginning of a tick a thread loses its CPU to the one who ticks: a
// switch of threads and the return from a sleep lie between.
const displaced = int64(20 * time.Microsecond)

// At is for a goroutine that the thread has not had for long. That the thread slept before says nothing of
// that one; how often it was kept from its CPU since the last question does, and the one who asks
// keeps it from there too. Where nothing is known of that it is what the thread was doing at the
// given time, a moment ago.
func (s *threadStates) At(tid uint32, at int64) (sample.State, string, bool) {
	now, ok := s.threads.Times(tid)
	if !ok {
		return sample.Unknown, s.call(tid), false
	}
	then, known := s.last[tid]
	s.last[tid] = now
	if known && now.Now != sample.Syscall && now.Now != sample.Unknown {
		awake := sample.ThreadTimes{Running: now.Running - then.Running, Preempted: now.Preempted - then.Preempted, Throttled: now.Throttled - then.Throttled}
		if state, ok := draw(s.random, awake); ok {
			return state, "", true
		}
	}
	switch {
	case now.Now == sample.Preempted && max(now.Since-at, at-now.Since) < displaced:
		return sample.Running, "", true // it was, until it lost its CPU to the one who asks
	case now.Now == sample.Syscall:
		return now.Now, now.Call, true
	}
	return now.Now, "", now.Now != sample.Unknown
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
