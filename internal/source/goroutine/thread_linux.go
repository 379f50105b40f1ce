package goroutine

import (
	"context"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Go's own timers are of no use here: the network poller rounds them up to a millisecond, and in a
// busy process they wait for a P. So the ticks have a thread of their own, which sleeps until points
// in time and not for durations, and has real-time priority if that is allowed.

// maxNap is for how long the end of the context can go unnoticed.
const maxNap = int64(50 * time.Millisecond)

// priority is a low one among real-time priorities, above all normal threads.
const priority = 5

// realTime gives the calling thread real-time priority, and says whether that is allowed.
func realTime() (ok bool, err error) {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: priority, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if ok = unix.SchedSetAttr(0, &attr, 0) == nil; !ok {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -10) // best effort
	}
	return ok, nil
}

// sleepUntil sleeps until a time of proc.Monotonic, and returns false when ctx has ended.
//
// It keeps the P: to give it away and to get it back costs as much as a short sleep itself, and while the rest of the process is
// busy it takes up to 10 ms to get one. Where all Ps are given away the runtime's monitor goes to sleep too, and looks every
// 20 us for a millisecond when it is woken (runtime/proc.go, sysmon): on a budget that was a third of mayfly's CPU time. Who
// wants to stop the world meanwhile wakes the thread by a signal. Where there are as many such threads as Ps none keeps its
// own: nothing else of the process would run.
func (c *clock) sleepUntil(ctx context.Context, at int64) bool {
	keep := int(sampling.Load()) < runtime.GOMAXPROCS(0)
	for {
		if ctx.Err() != nil {
			return false
		}
		left := at - c.now()
		if left <= 0 {
			return true
		}
		ts := unix.NsecToTimespec(at + proc.TimeOffset() - max(left-maxNap, 0))
		if keep {
			unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		} else {
			_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) // a signal only makes one more round
		}
	}
}

// threadCPU is the CPU time of the calling thread. It does not wait: to say so to the runtime would wake its monitor, which then wakes
// every 20 us for as long as the process has something to do.
func threadCPU() time.Duration {
	var ts unix.Timespec
	unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}
