package proc

import (
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pidfd refers to one process for good, or is noPidfd.
type pidfd struct{ *handle }

// handle wraps the descriptor in an os.File, so that waiting for the process costs no thread: a
// pidfd becomes readable when the process has ended (pidfd_open(2)), and the runtime's network
// poller waits for that.
type handle struct {
	file *os.File
	done atomic.Bool
}

var noPidfd = pidfd{}

// openPidfd returns noPidfd and no error where the kernel has no pidfd (before 5.3) or a sandbox
// forbids it.
func openPidfd(pid int) (pidfd, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ENOSYS || err == unix.EPERM {
		return noPidfd, nil
	}
	if err == unix.EINVAL { // not a pid at all: zero, negative, or the id of a thread
		err = unix.ESRCH
	}
	if err != nil {
		return noPidfd, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return noPidfd, err
	}
	return pidfd{&handle{file: os.NewFile(uintptr(fd), "pidfd")}}, nil
}

func (f pidfd) close() {
	if f.handle != nil {
		f.file.Close()
	}
}

// ended reports whether the process has ended.
func (f pidfd) ended() bool {
	if f.handle == nil {
		return false
	}
	if f.done.Load() {
		return true
	}
	c, err := f.file.SyscallConn()
	if err != nil {
		return false
	}
	c.Control(func(fd uintptr) { f.done.Store(readable(fd)) })
	return f.done.Load()
}

// wait blocks until the process has ended (true) or the Process was closed (false).
func (f pidfd) wait() bool {
	c, err := f.file.SyscallConn()
	if err != nil {
		return false
	}
	return c.Read(readable) == nil
}

func readable(fd uintptr) bool {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	var now unix.Timespec
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p[0])), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
		if errno != unix.EINTR {
			return errno == 0 && n > 0 && p[0].Revents&unix.POLLIN != 0
		}
	}
}

// cpuTime reads the CPU clock of a process: ^pid<<3 | CPUCLOCK_SCHED (kernel,
// include/linux/posix-timers.h), which counts the nanoseconds of all its threads, ended ones
// included. It needs no rights, and does not wait: see kernelHand.
func cpuTime(pid int) (time.Duration, error) {
	const cpuclockSched = 2
	var ts unix.Timespec
	clock := int32(^pid<<3 | cpuclockSched)
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0, errno
	}
	return time.Duration(ts.Nano()), nil
}
