//go:build linux && (amd64 || arm64)

package bpf

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	threadSize = int(unsafe.Sizeof(schedThread{}))
	maxThreads = 16384 // MAX_THREADS and PROBES in sched.bpf.c
	fewThreads = 2048  // that there is room for at least
	probes     = 32
	costEvery  = 64 // COST_EVERY
)

// Sched knows how long each of a process's threads was on a CPU, wanted one and slept, from the
// scheduler's tracepoints. A thread that has not been switched since OpenSched is unknown.
type Sched struct {
	objects schedObjects
	links   []link.Link
	room    int    // threads
	mem     []byte // their map, shared with the kernel
	leave   func() // takes the target from a Host; nil: there are links
	host    *Host
	rest    rest
	begun   uint32 // how often an entry was given to a thread,
	had     []int  // and the entries that a thread had by then
}

// OpenSched attaches to the scheduler's tracepoints. Each switch of a foreign thread costs about
// 100 ns from then on, one of the target's somewhat more.
// With a Host they are one for all its targets.
func OpenSched(p *proc.Process, h *Host) (*Sched, error) {
	_ = rlimit.RemoveMemlock() // see OnCPU.load
	spec, err := loadSched()
	if err != nil {
		return nil, fmt.Errorf("load eBPF: scheduler: %w", err)
	}
	if err := setTarget(spec, p.PID()); err != nil {
		return nil, fmt.Errorf("load eBPF: scheduler: %w", err)
	}
	s := &Sched{room: maxThreads, rest: rest{target: p}}
	if h != nil {
		s.room = roomFor(p)
	}
	spec.Maps["threads"].MaxEntries, spec.Maps["slots"].MaxEntries = uint32(s.room), uint32(s.room+s.room/4)
	if err := spec.Variables["room"].Set(uint32(s.room)); err != nil {
		return nil, fmt.Errorf("load eBPF: scheduler: %w", err)
	}
	if err := spec.LoadAndAssign(&s.objects, withTypes()); err != nil {
		return nil, loadError(err)
	}
	if h.acquire() {
		s.host = h
	}
	if err := s.attach(p.PID()); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sched) attach(pid int) (err error) {
	if s.host != nil {
		if s.leave, err = s.host.sched(pid, &s.objects); err != nil {
			s.host.release()
			s.host = nil
		}
	}
	if s.host == nil {
		err = s.link()
	}
	if err != nil {
		return err
	}
	s.mem, err = unix.Mmap(s.objects.Threads.FD(), 0, s.room*threadSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("attach to the scheduler: map threads: %w", err)
	}
	return nil
}

func (s *Sched) link() error {
	for _, p := range []*ebpf.Program{s.objects.OnSwitch, s.objects.OnWakeup, s.objects.OnWakeupNew} {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return fmt.Errorf("attach to the scheduler: %w", err)
		}
		s.links = append(s.links, l)
	}
	return nil
}

// Times says how long the thread has been in each state since OpenSched, or since its first switch
// after that. tid is the id that the thread itself would get from gettid(2). It is false for a
// thread that was not switched yet, or has ended. It makes no system call.
func (s *Sched) Times(tid uint32) (sample.ThreadTimes, bool) {
	for i := range uint32(probes) {
		sl := s.thread(int((tid + i) % uint32(s.room)))
		if sl.tid() == tid && sl.owned() {
			return sl.times(proc.Monotonic())
		}
	}
	return sample.ThreadTimes{}, false
}

// ExecTimes appends for how long threads have had CPUs since OpenSched, those that have ended included: one ExecTime for each
// entry that a thread ever had, by ascending Slot. It is for one goroutine at a time, while others ask for Times.
func (s *Sched) ExecTimes(dst []ExecTime) []ExecTime {
	now := proc.Monotonic()
	for _, i := range s.entries() {
		if h, ok := s.thread(i).execTime(now); ok {
			h.Slot = i
			dst = append(dst, h)
		}
	}
	return dst
}

// entries are those that a thread ever had, by number. All are looked through only when one has been given to a thread since the last call:
// most programs have a dozen threads, of the 2,048 and more that there is room for.
func (s *Sched) entries() []int {
	begun := s.begun // on Get's error all are looked through
	if s.objects.Begun.Get(&s.begun) == nil && s.begun == begun && s.had != nil {
		return s.had
	}
	s.had = s.had[:0]
	for i := range s.room {
		if atomic.LoadUint64(&s.thread(i).t.Born) != 0 {
			s.had = append(s.had, i)
		}
	}
	return s.had
}

// Cost is the time that the tracepoints' programs have run since OpenSched, on all CPUs, in whoever's time: estimated from one run
// in 64.
func (s *Sched) Cost() time.Duration {
	var perCPU []schedCost
	if s.objects.Costs.Lookup(uint32(0), &perCPU) != nil {
		return 0
	}
	var ns uint64
	for _, c := range perCPU {
		ns += c.Ns * costEvery
	}
	return time.Duration(ns)
}

// roomFor is for how many threads of one of many targets there is room: 16,384 take 3 MiB, of which each reading of all touches the
// half. More than eight times as many as there are come rarely, and are counted by Slotless.
func roomFor(p *proc.Process) int {
	tids, _ := p.Threads(nil)
	room := fewThreads
	for room < 8*len(tids) && room < maxThreads {
		room *= 2
	}
	return room
}

// Slotless is how many threads there was no room for: of them nothing is known. Room is for 16,384 at a time, with a Host for eight times
// as many as there were at first, and no less than 2,048.
func (s *Sched) Slotless() (n uint32) {
	if s.objects.Slotless.Get(&n) != nil {
		return 0
	}
	return n
}

// slot is an entry of the threads map, which the kernel writes while we read.
type slot struct{ t *schedThread }

func (s *Sched) thread(i int) slot {
	return slot{(*schedThread)(unsafe.Pointer(&s.mem[i*threadSize]))}
}

func (s slot) tid() uint32 { return atomic.LoadUint32(&s.t.Tid) }

func (s slot) owned() bool { return atomic.LoadUint32(&s.t.Owner) != 0 }

// retries bounds the reading of an entry that changes all the time; a switch takes longer.
const retries = 64

// read calls f until nobody has written meanwhile, and says whether that came about.
func (s slot) read(f func(state uint32)) bool {
	for range retries {
		before := atomic.LoadUint32(&s.t.Seq)
		state := atomic.LoadUint32(&s.t.State)
		if before&1 != 0 || state >= uint32(len(s.t.Ns)) {
			continue
		}
		if f(state); atomic.LoadUint32(&s.t.Seq) == before {
			return true
		}
	}
	return false
}

func (s slot) times(now int64) (t sample.ThreadTimes, ok bool) {
	ok = s.read(func(state uint32) {
		since, call := atomic.LoadUint64(&s.t.Since), atomic.LoadUint32(&s.t.Call)
		var ns [schedThreadStatesTHREAD_STATES]int64
		for i := range ns {
			ns[i] = int64(atomic.LoadUint64(&s.t.Ns[i]))
		}
		ns[state] += max(0, now-int64(since))
		t = sample.ThreadTimes{
			Born: int64(atomic.LoadUint64(&s.t.Born)), Now: stateNames[state], Since: int64(since),
			Running: ns[schedThreadStatesTHREAD_RUNS], Preempted: ns[schedThreadStatesTHREAD_WANTS],
			Throttled: ns[schedThreadStatesTHREAD_THROTTLED], Sleeping: ns[schedThreadStatesTHREAD_SLEEPS],
			Stopped: ns[schedThreadStatesTHREAD_STOPPED],
			Call:    proc.CallName(int(call) - 1),
		}
	})
	return t, ok
}

func (s slot) execTime(now int64) (h ExecTime, ok bool) {
	ok = s.read(func(state uint32) {
		h = ExecTime{TID: s.tid(), Before: int64(atomic.LoadUint64(&s.t.Before))}
		h.NS = int64(atomic.LoadUint64(&s.t.Ns[schedThreadStatesTHREAD_RUNS]))
		if state == uint32(schedThreadStatesTHREAD_RUNS) {
			h.NS += max(0, now-int64(atomic.LoadUint64(&s.t.Since)))
		}
	})
	return h, ok
}

var stateNames = [schedThreadStatesTHREAD_STATES]sample.State{
	schedThreadStatesTHREAD_UNKNOWN: sample.Unknown, schedThreadStatesTHREAD_RUNS: sample.Running,
	schedThreadStatesTHREAD_WANTS: sample.Preempted, schedThreadStatesTHREAD_THROTTLED: sample.Throttled,
	schedThreadStatesTHREAD_SLEEPS: sample.Syscall, schedThreadStatesTHREAD_STOPPED: sample.Stopped,
}

// Close detaches from the scheduler.
func (s *Sched) Close() error {
	if s.leave != nil {
		s.leave()
	}
	if s.host != nil {
		s.host.release()
	}
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
