//go:build linux && (amd64 || arm64)

package bpf

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	threadSize = int(unsafe.Sizeof(schedThread{}))
	maxThreads = 8192 // MAX_THREADS in sched.bpf.c
)

// Sched knows how long each of a process's threads was on a CPU, wanted one and slept, from the
// scheduler's tracepoints. A thread that has not been switched since OpenSched is unknown.
type Sched struct {
	objects schedObjects
	links   []link.Link
	mem     []byte         // the threads map, shared with the kernel
	slots   map[uint32]int // by thread id, as far as seen
	next    int            // the first slot that was empty at the last look
}

// OpenSched attaches to the scheduler's tracepoints. Each switch of a foreign thread costs about
// 100 ns from then on, one of the target's somewhat more.
func OpenSched(p *proc.Process) (*Sched, error) {
	spec, err := loadSched()
	if err != nil {
		return nil, fmt.Errorf("load eBPF: scheduler: %w", err)
	}
	if err := setTarget(spec, p.PID()); err != nil {
		return nil, fmt.Errorf("load eBPF: scheduler: %w", err)
	}
	s := &Sched{slots: make(map[uint32]int)}
	if err := spec.LoadAndAssign(&s.objects, nil); err != nil {
		return nil, loadError(err)
	}
	if err := s.attach(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sched) attach() error {
	for _, p := range []*ebpf.Program{s.objects.OnSwitch, s.objects.OnWakeup, s.objects.OnWakeupNew, s.objects.OnExit} {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return fmt.Errorf("attach to the scheduler: %w", err)
		}
		s.links = append(s.links, l)
	}
	var err error
	s.mem, err = unix.Mmap(s.objects.Threads.FD(), 0, maxThreads*threadSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("attach to the scheduler: map threads: %w", err)
	}
	return nil
}

// Times says how long the thread has been in each state since OpenSched, or since its first switch
// after that. tid is the id that the thread itself would get from gettid(2). It is false for a
// thread that was not switched yet. It makes no system call. One goroutine at a time.
func (s *Sched) Times(tid uint32) (sample.ThreadTimes, bool) {
	i, ok := s.slots[tid]
	if !ok || s.thread(i).tid() != tid {
		if i, ok = s.search(tid); !ok {
			return sample.ThreadTimes{}, false
		}
	}
	return s.thread(i).times(monotonic())
}

// Held appends for how long each thread has had CPUs since its first switch after OpenSched, those that
// have ended included: always in the same order, new ones at the end. It may be called while others ask for Times.
func (s *Sched) Held(dst []Held) []Held {
	var used uint32
	if s.objects.Used.Get(&used) != nil {
		return dst
	}
	now := monotonic()
	for i := range min(int(used), maxThreads) {
		sl := s.thread(i)
		t, _ := sl.times(now)
		dst = append(dst, Held{TID: sl.tid(), NS: t.Running})
	}
	return dst
}

// slot is an entry of the threads map, which the kernel writes while we read.
type slot struct{ t *schedThread }

func (s *Sched) thread(i int) slot {
	return slot{(*schedThread)(unsafe.Pointer(&s.mem[i*threadSize]))}
}

func (s slot) tid() uint32 { return atomic.LoadUint32(&s.t.Tid) }

// retries bounds the reading of an entry that changes all the time; a switch takes longer.
const retries = 64

func (s slot) times(now int64) (sample.ThreadTimes, bool) {
	for range retries {
		before := atomic.LoadUint32(&s.t.Seq)
		state, since := atomic.LoadUint32(&s.t.State), atomic.LoadUint64(&s.t.Since)
		call := atomic.LoadUint32(&s.t.Call)
		var ns [schedThreadStatesTHREAD_STATES]int64
		for i := range ns {
			ns[i] = int64(atomic.LoadUint64(&s.t.Ns[i]))
		}
		if before&1 != 0 || atomic.LoadUint32(&s.t.Seq) != before || state >= uint32(len(ns)) {
			continue
		}
		ns[state] += max(0, now-int64(since))
		return sample.ThreadTimes{
			Now: stateNames[state], Since: int64(since),
			Running: ns[schedThreadStatesTHREAD_RUNS], Preempted: ns[schedThreadStatesTHREAD_WANTS],
			Throttled: ns[schedThreadStatesTHREAD_THROTTLED], Sleeping: ns[schedThreadStatesTHREAD_SLEEPS],
			Call: proc.CallName(int(call) - 1),
		}, true
	}
	return sample.ThreadTimes{}, false
}

var stateNames = [schedThreadStatesTHREAD_STATES]sample.State{
	schedThreadStatesTHREAD_UNKNOWN: sample.Unknown, schedThreadStatesTHREAD_RUNS: sample.Running,
	schedThreadStatesTHREAD_WANTS: sample.Preempted, schedThreadStatesTHREAD_THROTTLED: sample.Throttled,
	schedThreadStatesTHREAD_SLEEPS: sample.Syscall,
}

// search looks at the slots that were filled since the last look.
func (s *Sched) search(tid uint32) (int, bool) {
	for ; s.next < maxThreads; s.next++ {
		t := s.thread(s.next).tid()
		if t == 0 && !s.filled(s.next+1) {
			break
		}
		if t != 0 {
			s.slots[t] = s.next
		}
	}
	i, ok := s.slots[tid]
	return i, ok && s.thread(i).tid() == tid
}

// filled says whether a slot was given out: the ones before it were then too, even if their thread
// has ended.
func (s *Sched) filled(slot int) bool {
	var used uint32
	return slot < maxThreads && s.objects.Used.Get(&used) == nil && uint32(slot) < used
}

// Close detaches from the scheduler.
func (s *Sched) Close() error {
	var err error
	for _, l := range s.links {
		err = errors.Join(err, l.Close())
	}
	if s.mem != nil {
		err = errors.Join(err, unix.Munmap(s.mem))
		s.mem = nil
	}
	return errors.Join(err, s.objects.Close())
}
