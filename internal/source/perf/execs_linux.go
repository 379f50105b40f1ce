//go:build amd64 || arm64

package perf

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Execs says when processes of the host execute programs. There is an event on each CPU that counts nothing: the kernel writes a record
// when a thread there changes its name, which execve does, and only then. So it costs nothing while nobody begins.
type Execs struct {
	fds   []int // by CPU; none: it was offline
	rings []*ring
	all   *os.File // an epoll descriptor with all of them
	conn  syscall.RawConn
}

const (
	execPages = 4                     // of a ring, some hundred records
	execRest  = 50 * time.Millisecond // between two readings: where hundreds begin in a second, this wakes up 20 times
)

// OpenExecs opens the events. Errors wrap fs.ErrPermission, or errors.ErrUnsupported.
func OpenExecs() (*Execs, error) {
	x := new(Execs)
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("perf events of execve: %w", err)
	}
	if err = unix.SetNonblock(epoll, true); err == nil {
		x.all = os.NewFile(uintptr(epoll), "execve")
		x.conn, err = x.all.SyscallConn()
	}
	for cpu := 0; err == nil && cpu < maxCPU(); cpu++ {
		err = x.open(epoll, cpu)
	}
	if err == nil && len(x.rings) == 0 {
		err = unix.ENODEV
	}
	if err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

func (x *Execs) open(epoll, cpu int) error {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Bits:   unix.PerfBitComm | unix.PerfBitCommExec | unix.PerfBitWatermark | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
		Wakeup: 1, // byte
	}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err == unix.ENODEV {
		return nil // the CPU is offline
	}
	if err == unix.EACCES || err == unix.EPERM {
		return fmt.Errorf("perf events of execve: %w: needs CAP_PERFMON", fs.ErrPermission)
	}
	if err != nil {
		return eventError(err)
	}
	x.fds = append(x.fds, fd)
	mem, err := unix.Mmap(fd, 0, unix.Getpagesize()*(1+execPages), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map perf ring: %w (kernel.perf_event_mlock_kb, ulimit -l)", err)
	}
	x.rings = append(x.rings, &ring{fd: fd, cpu: cpu, mem: mem, data: mem[unix.Getpagesize():]})
	return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// hear says whether records are to wake who waits for all.
func (x *Execs) hear(epoll uintptr, on bool) {
	e := unix.EpollEvent{}
	if on {
		e.Events = unix.EPOLLIN
	}
	for _, fd := range x.fds {
		_ = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_MOD, fd, &e) // one that has no part in it never had
	}
}

// Run calls heard with the id of each process that executes a program, if this process can see it, until ctx ends. What there was no room
// for is lost, which can be when hundreds begin in 50 ms, and so is what comes with a record that cannot be read.
func (x *Execs) Run(ctx context.Context, heard func(pid int)) {
	stop := context.AfterFunc(ctx, func() { x.all.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = x.conn.Read(func(epoll uintptr) bool { // until the deadline
		if x.read(heard) == 0 {
			return false
		}
		// Each record wakes whoever waits in the network poller, also while nobody wants to hear of it.
		x.hear(epoll, false)
		proc.Sleep(ctx, execRest)
		x.hear(epoll, true)
		x.read(heard)
		return false
	})
}

// read returns how many records there were.
func (x *Execs) read(heard func(pid int)) (n int) {
	for _, r := range x.rings {
		_ = r.each(func(h header, body []byte) error { n++; return execOf(h, body, heard) })
	}
	return n
}

// execOf reads a record. The kernel writes it when the process has its new executable, and before that has its arguments, its environment
// and its user (begin_new_exec).
func execOf(h header, body []byte, heard func(pid int)) error {
	if h.kind != typeComm || h.misc&miscCommExec == 0 {
		return nil
	}
	pid, err := parseComm(body)
	if int32(pid) > 0 {
		heard(int(pid))
	}
	return err
}

// Close closes the events.
func (x *Execs) Close() error {
	for _, r := range x.rings {
		r.close()
	}
	for _, fd := range x.fds {
		unix.Close(fd)
	}
	return x.all.Close()
}
