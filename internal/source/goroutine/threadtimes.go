package goroutine

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
	blocked map[uint32]standing // threads that were not switched yet
	random  *rand.Rand
}

// NewThreads returns Threads by what the scheduler's view adds up of each thread of the target. Without a target nothing is known
// of threads that the scheduler has not switched yet.
func NewThreads(t sample.Threads, target *proc.Process) Threads {
	return &threadStates{
		threads: t, target: target, last: make(map[uint32]sample.ThreadTimes), blocked: make(map[uint32]standing),
		random: rand.New(rand.NewPCG(1, 2)),
	}
}

// State is for a goroutine that has had the thread since the last question. It is false for a thread
// that is not known, or was not asked about before. It makes system calls only when it meets a thread
// that has slept since before the scheduler was watched.
func (s *threadStates) State(tid uint32) (sample.State, string, bool) {
	now, then, ok := s.ask(tid)
	if !ok {
		return s.stands(tid)
	}
	if then.Born == 0 {
		return sample.Unknown, "", false
	}
	state, ok := draw(s.random, sample.ThreadTimes{
		Running: now.Running - then.Running, Preempted: now.Preempted - then.Preempted,
		Throttled: now.Throttled - then.Throttled, Sleeping: now.Sleeping - then.Sleeping, Stopped: now.Stopped - then.Stopped,
	})
	if state != sample.Syscall {
		return state, "", ok
	}
	return state, lastCall(now), ok
}

// lastCall is the system call that a thread sleeps in, or slept in last. A thread that is to run goroutines, and has none, sleeps in futex
// (runtime.stopm): awake again, it says nothing of the call that its goroutine is in.
func lastCall(now sample.ThreadTimes) string {
	if now.Now != sample.Syscall && now.Call == "futex" {
		return ""
	}
	return now.Call
}

// maxAsked bounds the threads of which something is remembered: most of so many have ended.
const maxAsked = 1 << 15

// ask returns a thread's times now, and at the last question if there was one.
func (s *threadStates) ask(tid uint32) (now, then sample.ThreadTimes, ok bool) {
	if now, ok = s.threads.Times(tid); !ok {
		return now, then, false
	}
	if then, ok = s.last[tid]; !ok || then.Born != now.Born {
		then = sample.ThreadTimes{}
		if len(s.last) >= maxAsked {
			clear(s.last)
		}
	}
	s.last[tid] = now
	return now, then, true
}

// standing is what a thread does that has not been switched since the scheduler is watched.
type standing struct {
	call    string // the system call that it is in
	stopped bool
}

// stands is for a thread that the scheduler's view does not know. What it does then it can only leave by a
// switch, so asking the kernel once will do.
func (s *threadStates) stands(tid uint32) (sample.State, string, bool) {
	is, asked := s.blocked[tid]
	if !asked && s.target != nil {
		is = standing{proc.CallName(s.target.Call(tid)), s.target.Stopped(tid)}
		if len(s.blocked) >= maxAsked {
			clear(s.blocked)
		}
		s.blocked[tid] = is
	}
	if is.stopped {
		return sample.Stopped, "", true
	}
	return sample.Unknown, is.call, false
}

// displaced is how close to the beginning of a tick a thread loses its CPU to the one who ticks: a
// switch of threads and the return from a sleep lie between.
const displaced = int64(20 * time.Microsecond)

// At is for a goroutine that the thread has not had for long. What the thread did before says nothing of that one:
// it slept, and waited for a CPU after it was woken, without a goroutine. So it is what the thread was doing
// at the moment of the scan, unless the scan itself changed that.
func (s *threadStates) At(tid uint32, at Scan) (sample.State, string, bool) {
	now, _, ok := s.ask(tid)
	if !ok {
		return s.stands(tid)
	}
	switch state := midway(now, at); state {
	case sample.Syscall:
		return state, lastCall(now), true
	default:
		return state, "", state != sample.Unknown
	}
}

// midway is what a thread was doing in the middle of a scan, of which it is known what it does a moment later.
func midway(now sample.ThreadTimes, at Scan) sample.State {
	middle := at.From + (at.To-at.From)/2
	switch {
	case now.Now == sample.Preempted && max(now.Since-at.Began, at.Began-now.Since) < displaced:
		return sample.Running // it was, until it lost its CPU to the one who asks
	case now.Since <= at.From || now.Now == sample.Running && !at.Call:
		return now.Now
	case now.Now == sample.Syscall:
		return sample.Running // who goes to sleep has had a CPU, and no goroutine runs on who sleeps
	case now.Since <= middle:
		return now.Now
	case now.Now == sample.Running:
		return sample.Preempted
	case now.Now == sample.Preempted && at.Call:
		return sample.Syscall // who is in a call is woken more often than it is preempted
	}
	return sample.Running
}

func draw(r *rand.Rand, t sample.ThreadTimes) (sample.State, bool) {
	sum := max(t.Running, 0) + max(t.Preempted, 0) + max(t.Throttled, 0) + max(t.Stopped, 0) + max(t.Sleeping, 0)
	if sum <= 0 {
		return sample.Unknown, false
	}
	x := r.Int64N(sum)
	for _, part := range []struct {
		ns    int64
		state sample.State
	}{{t.Running, sample.Running}, {t.Preempted, sample.Preempted}, {t.Throttled, sample.Throttled}, {t.Stopped, sample.Stopped}} {
		if x < max(part.ns, 0) {
			return part.state, true
		}
		x -= max(part.ns, 0)
	}
	return sample.Syscall, true
}
