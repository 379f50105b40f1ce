package proc

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelHand is a hand by timerfd_create(2), for which the network poller waits. What it calls does not block, and the runtime is not asked
// to look after it: that would wake its monitor, which then wakes every 20 us for as long as the process has something to do.
type kernelHand struct {
	file *os.File
	conn syscall.RawConn
	spec unix.ItimerSpec

	settime func(fd uintptr)
	read    func(fd uintptr) (done bool)
}

func newHand() hand {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newGoHand()
	}
	h := &kernelHand{file: os.NewFile(uintptr(fd), "timer")}
	if h.conn, err = h.file.SyscallConn(); err != nil || h.file.SetReadDeadline(time.Time{}) != nil { // the poller does not take it
		h.file.Close()
		return newGoHand()
	}
	h.settime = func(fd uintptr) {
		unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, unix.TFD_TIMER_ABSTIME, uintptr(unsafe.Pointer(&h.spec)), 0, 0, 0)
	}
	times := new([8]byte)
	h.read = func(fd uintptr) bool {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(times)), unsafe.Sizeof(*times))
		return errno == 0 && n > 0 // else it was set to another time meanwhile
	}
	return h
}

func (h *kernelHand) set(at int64) {
	h.spec.Value = unix.NsecToTimespec(max(at+TimeOffset(), 1))
	_ = h.conn.Control(h.settime)
}

func (h *kernelHand) wait() bool { return h.conn.Read(h.read) == nil }

func (h *kernelHand) close() { h.file.Close() }
