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
	cpu, fd int
	enabled uint64 // for how long it has been, ns, at the last reading
}

// openEvents opens events on some CPUs and attaches the program to them.
func openEvents(prog int, cpus []int, rate int) (events, error) {
	var e events
	for _, cpu := range cpus {
		fd, err := openEvent(cpu, prog, rate)
		if errors.Is(err, unix.ENODEV) { // went offline just now
			continue
		}
		if err != nil {
			e.close()
			return nil, err
		}
		e = append(e, event{cpu: cpu, fd: fd})
	}
	return e, nil
}

func openEvent(cpu, prog, rate int) (int, error) {
	attr := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_SOFTWARE,
		Config: unix.PERF_COUNT_SW_CPU_CLOCK,
		Size:   uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Sample: uint64(1e9 / rate),                             // a period in ns and not a frequency: the kernel's adaption wanders
		Bits:   unix.PerfBitDisabled | unix.PerfBitExcludeIdle, // the idle thread is nobody's: its timer fires, and calls nothing

		Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED,
	}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, eventError(cpu, err)
	}
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, prog); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("perf event on CPU %d: set program: %w", cpu, err)
	}
	return fd, nil
}

func eventError(cpu int, err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		rights, _ := proc.HostRights()
		return fmt.Errorf("perf event on CPU %d: %w: %s", cpu, fs.ErrPermission, eventRights(rights))
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("perf event on CPU %d: %w (raise the limit of open files: ulimit -n)", cpu, err)
	}
	return fmt.Errorf("perf event on CPU %d: %w", cpu, err)
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

func (e events) close() {
	for i := range e {
		unix.Close(e[i].fd)
	}
}

// lives says whether the event was on since the last call. One whose CPU went offline never is again.
func (e *event) lives() bool {
	var b [16]byte // value, time enabled
	n, err := unix.Read(e.fd, b[:])
	before := e.enabled
	e.enabled = binary.NativeEndian.Uint64(b[8:])
	return err == nil && n == len(b) && e.enabled != before
}

// period changes the time between two samples of one event, ns, and starts its timer anew
// (kernel/events/core.c, __perf_event_period).
func (e events) period(i int, ns int64) error {
	value := uint64(ns)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(e[i].fd), unix.PERF_EVENT_IOC_PERIOD, uintptr(unsafe.Pointer(&value))); errno != 0 {
		return fmt.Errorf("change perf event: %w", errno)
	}
	return nil
}
