//go:build amd64 || arm64

package perf

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Each ring has a reader, a thread that may run on the ring's CPU only. So it runs when the thread that
// was sampled does not: the scheduler takes the CPU from that one to give it to the reader, and what is
// behind the sample is read while it stands still. From another CPU it would be read while the thread runs on.

// slice is the time that a reader without rights asks to run for at a time. Linux 6.12 and later let who
// asks for less than another run first when it wakes up (kernel/sched/fair.c, PREEMPT_SHORT).
const slice = 100 * time.Microsecond

// readers are the threads that read the rings.
type readers struct {
	stop   int           // an eventfd that is ready from when they are to end on
	failed chan error    // one for each, nil at the end
	nudge  chan struct{} // there is something that cannot wait for the next weighing
	n      int
	keep   bool // their Ps
}

// read starts a reader for each ring.
func (s *OnCPU) read() (*readers, error) {
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("wait for samples: %w", err)
	}
	n := len(s.takers)
	rs := &readers{stop: stop, failed: make(chan error, n), nudge: make(chan struct{}, 1), n: n, keep: s.keepsPs()}
	for _, t := range s.takers {
		go func() { // on a thread that ends with it: nobody is to inherit the priority
			runtime.LockOSThread()
			hurry()
			pin(t.ring.cpu)
			rs.failed <- rs.follow(t)
		}()
	}
	return rs, nil
}

// end ends the readers and returns the first error of one that has not been received yet.
func (rs *readers) end() (err error) {
	unix.Write(rs.stop, binary.NativeEndian.AppendUint64(nil, 1))
	for ; rs.n > 0; rs.n-- {
		if er := <-rs.failed; er != nil && err == nil {
			err = er
		}
	}
	unix.Close(rs.stop)
	return err
}

// follow takes what comes into a ring, until the end.
func (rs *readers) follow(t *taker) error {
	fds := []unix.PollFd{{Fd: int32(t.ring.fd), Events: unix.POLLIN}, {Fd: int32(rs.stop), Events: unix.POLLIN}}
	for {
		if errno := poll(fds, rs.keep); errno != 0 && errno != unix.EINTR {
			return fmt.Errorf("wait for samples: %w", errno)
		}
		if fds[1].Revents != 0 {
			return nil
		}
		urgent, err := t.takeAll()
		if err != nil {
			return err
		}
		if urgent {
			select {
			case rs.nudge <- struct{}{}:
			default:
			}
		}
		t.ring.goOn(&fds[0])
	}
}

// poll waits until a descriptor is ready. A thread that keeps its P needs none when it is woken, and leaves the runtime's monitor
// alone, which takes the Ps of threads that wait in the kernel and looks every 20 us while it does. Who wants to stop the world
// meanwhile wakes the thread by a signal.
func poll(fds []unix.PollFd, keep bool) unix.Errno {
	call := unix.Syscall6
	if keep {
		call = unix.RawSyscall6
	}
	_, _, errno := call(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), 0, 0, 0, 0)
	return errno
}

// goOn waits for another event of the ring if one's thread has ended, and all that it had created: that event
// is always ready. Without any the clock has to do.
func (r *ring) goOn(fd *unix.PollFd) {
	if fd.Revents&(unix.POLLHUP|unix.POLLERR) == 0 {
		return
	}
	next, ok := r.other(int(fd.Fd))
	if fd.Fd = int32(next); !ok {
		time.Sleep(time.Millisecond)
	}
}

// hurry makes the thread run as soon as it is woken: by priority, or where that is not allowed by a short slice.
// Best effort.
func hurry() {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 4, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if unix.SchedSetAttr(0, &attr, 0) == nil {
		return
	}
	attr = unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: -10, Runtime: uint64(slice),
		Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if unix.SchedSetAttr(0, &attr, 0) != nil {
		attr.Nice = 0
		_ = unix.SchedSetAttr(0, &attr, 0)
	}
}

// pin keeps the thread on a CPU, if it may run there: who gave mayfly other CPUs than the target meant it.
func pin(cpu int) {
	var may, only unix.CPUSet
	if unix.SchedGetaffinity(0, &may) != nil || !may.IsSet(cpu) {
		return
	}
	only.Set(cpu)
	_ = unix.SchedSetaffinity(0, &only) // best effort: from elsewhere it is read a little later
}
