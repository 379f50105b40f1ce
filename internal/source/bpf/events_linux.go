//go:build linux && (amd64 || arm64)

package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
)

// events are perf events, one on each CPU that the target may run on, that fire whatever runs there. They are
// opened stopped.
//
// Events on the threads of the target alone would spare the rest of the machine. But the kernel
// stops and starts their timers at each switch between threads, and on a target that switches
// often that costs it more than all samples together: two threads that pass a byte to and fro ran at
// 30 % of their speed with them, and run at 97 % with these (BENCHMARKS.md).
type events []event

type event struct {
	cpu, fd int    // cpu -1: it is on a thread
	enabled uint64 // for how long it has been, ns, at the last reading,
	running uint64 // and for how long of that it was counted

	ran      uint64 // what enabled was when the period was changed last
	ofGroup  bool   // it is on while a thread of the target's control group has the CPU
	switches int    // descriptor of a counter of switches between groups, -1 without one,
	switched uint64 // what it said last,
	counted  uint64 // and for how long it had counted, ns
}

// scope is where an event counts: on a CPU whatever runs there, or a control group's threads there, or one thread and those that it
// creates.
type scope struct {
	who   int // thread, descriptor of the group's folder, or -1
	cpu   int // -1: any
	flags int
}

func onCPU(cpu int) scope { return scope{-1, cpu, 0} }

func ofGroup(dir uintptr, cpu int) scope { return scope{int(dir), cpu, unix.PERF_FLAG_PID_CGROUP} }

func ofThread(tid int) scope { return scope{tid, -1, 0} }

func (s scope) String() string {
	if s.cpu < 0 {
		return fmt.Sprintf("thread %d", s.who)
	}
	return fmt.Sprintf("CPU %d", s.cpu)
}

// openEvents opens events and attaches the program to them. CPUs that are offline, and threads that have ended, are left out.
func openEvents(prog int, scopes []scope, attr *unix.PerfEventAttr) (events, error) {
	var e events
	for _, at := range scopes {
		fd, err := openEvent(prog, at, attr)
		if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		e = append(e, event{cpu: at.cpu, fd: fd, switches: -1})
	}
	return e, nil
}

// onCPUs are the scopes of CPUs.
func onCPUs(cpus []int) (all []scope) {
	for _, cpu := range cpus {
		all = append(all, onCPU(cpu))
	}
	return all
}

// openOnThreads opens events on the threads of a process, which those inherit that they create.
func openOnThreads(p *proc.Process, prog int, attr *unix.PerfEventAttr) (events, error) {
	attr.Bits |= unix.PerfBitInherit | source.ThreadsOnly()
	list := func() ([]int, error) { return p.Threads(nil) }
	return source.OnThreads(list, func(threads []int) (events, error) {
		var all []scope
		for _, tid := range threads {
			all = append(all, ofThread(tid))
		}
		return openEvents(prog, all, attr)
	})
}

// attr is how the events are opened: with nil, a timer's.
func (e *Event) attr(rate int) *unix.PerfEventAttr {
	a := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_SOFTWARE,
		Config: unix.PERF_COUNT_SW_CPU_CLOCK,
		Size:   uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Sample: uint64(1e9 / rate),                             // a period in ns and not a frequency: the kernel's adaption wanders
		Bits:   unix.PerfBitDisabled | unix.PerfBitExcludeIdle, // the idle thread is nobody's: its timer fires, and calls nothing

		Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
	}
	if e != nil {
		a.Type, a.Config, a.Sample = e.kind, e.config, 1 // of each the program says whether it is a sample
	}
	if e.onCPUs() {
		a.Sample = uint64(rate)
		a.Bits |= unix.PerfBitFreq // nobody knows beforehand how often it happens, and each sample says what it stands for
	}
	return &a
}

func openEvent(prog int, at scope, attr *unix.PerfEventAttr) (int, error) {
	fd, err := unix.PerfEventOpen(attr, at.who, at.cpu, -1, unix.PERF_FLAG_FD_CLOEXEC|at.flags)
	if err != nil {
		return -1, eventError(at, err)
	}
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, prog); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("perf event on %s: set program: %w", at, err)
	}
	return fd, nil
}

func eventError(at scope, err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		rights, _ := proc.HostRights()
		return fmt.Errorf("perf event on %s: %w: %s", at, fs.ErrPermission, eventRights(rights))
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("perf event on %s: %w: this machine counts no such event (many virtual machines have no hardware counters)",
			at, errors.ErrUnsupported)
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("perf event on %s: %w (raise the limit of open files: ulimit -n)", at, err)
	}
	return fmt.Errorf("perf event on %s: %w", at, err)
}

// eventRights is what an event that was refused needs beyond the rights that there are. Kernels of Debian and Ubuntu have a level 3 of
// perf_event_paranoid and more, at which CAP_PERFMON is not enough (security,perf: Allow further restriction of perf_event_open).
func eventRights(r proc.Rights) string {
	if r.CapPerfmon && !r.CapSysAdmin && r.PerfEventParanoid > 2 {
		return fmt.Sprintf("kernel.perf_event_paranoid is %d, at which this kernel wants CAP_SYS_ADMIN "+
			"(sudo sysctl kernel.perf_event_paranoid=2)", r.PerfEventParanoid)
	}
	if r.CapPerfmon || r.CapSysAdmin {
		return refused("perf_event_open")
	}
	return "needs CAP_PERFMON (sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep mayfly)"
}

// loadRights is what a program that was refused needs beyond the rights that there are.
func loadRights(r proc.Rights) string {
	able := r.CapSysAdmin || r.CapBPF && r.CapPerfmon
	switch version, err := features.LinuxVersionCode(); {
	case able && err == nil && version < 5<<16|11<<8 && rlimit.RemoveMemlock() != nil: // maps count against the limit there
		return "before Linux 5.11 needs CAP_SYS_RESOURCE, or no limit of locked memory (ulimit -l unlimited)"
	case able:
		return refused("bpf")
	}
	return "needs CAP_BPF and CAP_PERFMON (sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep mayfly)"
}

// refused says who else can refuse a system call: more capabilities would change nothing.
func refused(call string) string {
	return "the capabilities are there: a seccomp profile, a security module or a user namespace refuses " + call +
		" (run mayfly outside of it, or allow it there)"
}

// onlineCPUs reads a list such as "0-3,8".
func onlineCPUs() ([]int, error) {
	b, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, fmt.Errorf("list CPUs: %w", err)
	}
	cpus, err := parseCPUs(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("list CPUs: %w", err)
	}
	return cpus, nil
}

// start and stop switch all events.
func (e events) start() error { return e.each(unix.PERF_EVENT_IOC_ENABLE) }
func (e events) stop() error  { return e.each(unix.PERF_EVENT_IOC_DISABLE) }

func (e events) each(request uint) (err error) {
	for i := range e {
		if er := unix.IoctlSetInt(e[i].fd, request, 0); er != nil && err == nil {
			err = fmt.Errorf("switch perf event: %w", er)
		}
	}
	return err
}

func (e *event) close() {
	unix.Close(e.fd)
	if e.switches >= 0 {
		unix.Close(e.switches)
	}
}

// Close closes them. It never fails.
func (e events) Close() error {
	for i := range e {
		e[i].close()
	}
	return nil
}

// read returns for how long the event was on since the last call, ns, and for how long of that it was counted. One whose CPU went offline
// never is on again.
func (e *event) read() (enabled, running uint64) {
	_, on, counted := readEvent(e.fd)
	if on == 0 {
		return 0, 0
	}
	enabled, running = on-e.enabled, counted-e.running
	e.enabled, e.running = on, counted
	return enabled, running
}

// readEvent returns what an event has counted, and for how long it was on and counted, ns.
func readEvent(fd int) (value, enabled, running uint64) {
	var b [24]byte
	if n, err := unix.Read(fd, b[:]); err != nil || n != len(b) {
		return 0, 0, 0
	}
	word := binary.NativeEndian.Uint64
	return word(b[:]), word(b[8:]), word(b[16:])
}

// period changes the time between two samples of one event, ns, and starts its timer anew
// (kernel/events/core.c, __perf_event_period). It takes microseconds: to say to the runtime that it may last would wake its
// monitor.
func (e events) period(i int, ns int64) error {
	value := uint64(ns)
	fd := uintptr(e[i].fd)
	if _, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, unix.PERF_EVENT_IOC_PERIOD, uintptr(unsafe.Pointer(&value))); errno != 0 {
		return fmt.Errorf("change perf event: %w", errno)
	}
	return nil
}
