//go:build amd64 || arm64

package bpf

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// A timer on a CPU interrupts it whatever runs there: beside a target that is sampled at 999 Hz another process lost 1.2 % of its speed,
// and a CPU that sleeps is woken. An event of the target's control group is on only while a thread of that group has the CPU. But the
// kernel stops and starts its timer at each switch from one group to another, also between two that are not the target's
// (perf_cgroup_switch in kernel/events/core.c). So a CPU has such an event while those switches are few, which a counter tells once
// a second, and else one that is on all the time.

// What a switch costs with an event of a group is some microseconds where a timer is set by leaving a virtual machine, and an interrupt 15:
// at so many switches a second it is less than a tenth of the interrupts of 999 Hz.
const (
	fewSwitches = 300 // between groups, a second on a CPU: below it the event is the group's
	tooMany     = 600 // above, it is not any more
)

// countSwitches is PERF_COUNT_SW_CGROUP_SWITCHES (Linux 5.13).
const countSwitches = 11

// openSwitches opens a counter of switches between groups on a CPU, -1 where the kernel has none.
func openSwitches(cpu int) int {
	fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: countSwitches, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
	}, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1
	}
	return fd
}

// narrow is called once a second. It has the i-th event be of the target's group, or of everybody, by the switches since the last call. It
// says whether the CPU was online meanwhile.
func (t *timers) narrow(i, hz int) (online bool) {
	e := &t.events[i]
	if t.group == nil {
		return t.read(i)
	}
	if e.switches < 0 {
		e.switches = openSwitches(e.cpu)
		return t.read(i)
	}
	value, enabled, _ := readEvent(e.switches)
	since := enabled - e.counted
	n := value - e.switched
	e.switched, e.counted = value, enabled
	if since == 0 {
		return false
	}
	rate := float64(n) / (float64(since) / 1e9)
	if !e.ofGroup && rate < fewSwitches {
		t.replace(i, hz, ofGroup(t.group.Fd(), e.cpu))
	} else if e.ofGroup && rate > tooMany {
		t.replace(i, hz, onCPU(e.cpu))
	}
	t.read(i)
	return true
}

// replace puts another event in the place of one. Where that cannot be had, the one stays.
func (t *timers) replace(i, hz int, at scope) {
	e := &t.events[i]
	fd, err := openEvent(t.prog, at, t.event.attr(hz))
	if err != nil {
		return
	}
	unix.Close(e.fd)
	e.fd, e.ofGroup, e.enabled, e.running, e.ran = fd, at.who >= 0, 0, 0, 0
	_ = unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0)
	t.rhythm.beats[i] = beat{int64(time.Second) / int64(hz), proc.Monotonic()}
}

// ran is for how long the i-th timer has run since it was asked about last, and that was enough: all the time, or while a thread of the
// group had the CPU. Each new period costs half a sample, and there may be few in a second.
func (t *timers) ran(i int, since int64) int64 {
	e := &t.events[i]
	if !e.ofGroup {
		return since
	}
	_, enabled, _ := readEvent(e.fd)
	on := int64(enabled - e.ran)
	if on < 0 || on > since { // of a group that had not had the CPU the kernel began with when it was up: differences count
		e.ran = enabled
		return 0
	}
	if on >= holdPeriods*t.rhythm.beats[i].period {
		e.ran = enabled
	}
	return on
}

// widen has all events be of everybody: the target is in another group by now.
func (t *timers) widen(hz int) {
	for i := range t.events {
		if t.events[i].ofGroup {
			t.replace(i, hz, onCPU(t.events[i].cpu))
		}
	}
	t.group.Close()
	t.group = nil
}
