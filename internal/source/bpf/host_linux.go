//go:build linux && (amd64 || arm64)

package bpf

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
)

// MAX_TARGETS and MAYBE in host.bpf.c.
const (
	maxTargets = 256
	maybeBits  = 8192
)

// turnEvery is how often a Host's timers get other periods.
const turnEvery = 250 * time.Millisecond

// Host is one set of events for many targets: one on each CPU, whatever their number, and one at each of the scheduler's tracepoints.
// It has them while there are recordings that have acquired it. Its methods may be called from anywhere; a nil Host cannot be acquired.
type Host struct {
	rate int

	mu      sync.Mutex
	refs    int
	objects *hostObjects
	links   []link.Link
	places  [maxTargets]place // what is in the arrays of programs
	timers
	end     func()                // of keep
	average atomic.Int64          // time between two samples of a CPU, ns
	now     atomic.Pointer[hosts] // what state returns
}

// hosts is what a Host has.
type hosts struct {
	cpus      int
	unsampled error
}

// place is a target's.
type place struct {
	pid            int // 0: nobody's
	samples, sched bool
}

// NewHost returns a host whose timers have a rate, Hz. Nothing is opened.
func NewHost(rate int) *Host {
	return &Host{rate: rate, timers: timers{reach: reach{onlineCPUs, func() ([]int, error) { return nil, errors.ErrUnsupported }}}}
}

// acquire has the events there until release, and says whether that can be done: in a PID namespace nobody knows a target's id in the
// initial one.
func (h *Host) acquire() bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refs == 0 && h.load() != nil {
		h.close()
		return false
	}
	h.refs++
	return true
}

func (h *Host) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refs--; h.refs == 0 {
		h.close()
	}
}

func (h *Host) load() error {
	if err := source.CheckRate(h.rate); err != nil {
		return err
	}
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil || ns.Ino != initPIDNamespace {
		return errors.Join(err, errors.ErrUnsupported)
	}
	h.objects = new(hostObjects)
	if err := loadHostObjects(h.objects, withTypes()); err != nil {
		h.objects = nil
		return loadError(err)
	}
	o := h.objects
	for _, p := range []*ebpf.Program{o.OnSwitchFrom, o.OnSwitchTo, o.OnWakeup, o.OnWakeupNew} {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return fmt.Errorf("attach to the scheduler: %w", err)
		}
		h.links = append(h.links, l)
	}
	err := h.timers.open(o.Sample.FD(), h.rate)
	if err == nil {
		err = h.timers.start()
	}
	if err != nil {
		return err
	}
	h.average.Store(int64(time.Second) / int64(h.rate))
	h.now.Store(&hosts{cpus: len(h.events)})
	ctx, cancel := context.WithCancel(context.Background())
	h.end = cancel
	go h.keep(ctx)
	return nil
}

func (h *Host) close() {
	if h.end != nil {
		h.end()
		h.end = nil
	}
	h.events.Close()
	h.events = nil
	for _, l := range h.links {
		l.Close()
	}
	h.links = nil
	if h.objects != nil {
		h.objects.Close()
		h.objects = nil
	}
}

// keep has the timers follow the CPUs, in changing rhythms, until ctx ends.
func (h *Host) keep(ctx context.Context) {
	for range proc.Ticks(ctx, turnEvery) {
		h.mu.Lock()
		if ctx.Err() == nil { // else the events are those of the next
			h.turn(h.rate)
			h.average.Store(int64(h.rhythm.mean(int64(time.Second) / int64(h.rate))))
			if was := h.now.Load(); was.cpus != len(h.events) || h.unsampled != nil || was.unsampled != nil {
				h.now.Store(&hosts{len(h.events), h.unsampled})
			}
		}
		h.mu.Unlock()
	}
}

// state is how many CPUs have an event, and why others have none.
func (h *Host) state() (cpus int, unsampled error) {
	now := h.now.Load()
	return now.cpus, now.unsampled
}

// mean is the time between two samples of a CPU.
func (h *Host) mean() time.Duration { return time.Duration(h.average.Load()) }

// sample has a program called where a process's threads run, until leave.
func (h *Host) sample(pid int, prog *ebpf.Program) (leave func(), err error) {
	return h.join(pid, func(p *place) *bool { return &p.samples }, programs{h.objects.Samples: prog})
}

// sched has programs called where the scheduler has to do with a process's threads, until leave.
func (h *Host) sched(pid int, of *schedObjects) (leave func(), err error) {
	o := h.objects
	return h.join(pid, func(p *place) *bool { return &p.sched },
		programs{o.Switches: of.OnSwitch, o.Wakeups: of.OnWakeup, o.NewWakeups: of.OnWakeupNew})
}

// programs go into arrays.
type programs map[*ebpf.Map]*ebpf.Program

var errTaken = errors.New("recorded already by this process")

// join puts programs at the place of a process; has says which of its two kinds they are.
func (h *Host) join(pid int, has func(*place) *bool, all programs) (leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := slices.IndexFunc(h.places[:], func(p place) bool { return p.pid == pid })
	if at < 0 {
		at = slices.IndexFunc(h.places[:], func(p place) bool { return p.pid == 0 })
	}
	switch {
	case at < 0:
		return nil, fmt.Errorf("more than %d processes at a time", maxTargets)
	case *has(&h.places[at]):
		return nil, fmt.Errorf("process %d: %w", pid, errTaken)
	}
	for array, prog := range all {
		if err := array.Put(uint32(at), prog); err != nil {
			return nil, fmt.Errorf("put eBPF program into array: %w", err)
		}
	}
	if err := h.objects.Targets.Put(uint32(pid), uint32(at)); err != nil {
		return nil, fmt.Errorf("put process into eBPF map: %w", err)
	}
	h.places[at].pid = pid
	*has(&h.places[at]) = true
	if err := h.mark(); err != nil {
		return nil, fmt.Errorf("put process into eBPF map: %w", err)
	}
	return sync.OnceFunc(func() { h.part(at, has, all) }), nil
}

// mark tells the programs which processes may be targets: those that have one of the ids, modulo the number of bits.
func (h *Host) mark() error { return h.objects.Maybe.Set(h.bits()) }

// bits are maybe in host.bpf.c.
func (h *Host) bits() (bits [maybeBits / 64]uint64) {
	for _, p := range h.places {
		if p.pid != 0 {
			bits[p.pid/64%len(bits)] |= 1 << (p.pid % 64)
		}
	}
	return bits
}

// part is the end of what join began.
func (h *Host) part(at int, has func(*place) *bool, all programs) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &h.places[at]
	*has(p) = false
	for array := range all {
		_ = array.Delete(uint32(at))
	}
	if !p.samples && !p.sched {
		_ = h.objects.Targets.Delete(uint32(p.pid)) // gone already if the host is
		p.pid = 0
		_ = h.mark()
	}
}
