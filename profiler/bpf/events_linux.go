//go:build linux && (amd64 || arm64)

package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Bits of struct perf_event_attr that x/sys/unix has no name for (include/uapi/linux/perf_event.h).
const (
	perfBitInheritThread = 1 << 35 // Linux 5.13: threads inherit, child processes do not
	perfBitRemoveOnExec  = 1 << 36 // Linux 5.13
)

// events are the perf events of the target's threads: one for each thread that exists when they are
// opened, inherited by the threads that those create. They are opened stopped.
type events struct {
	fds   []int
	twins map[uint32]*twin
}

// twin is a thread that appeared while events were being opened. It may have inherited an event
// from its creator and got one of its own besides; then it is sampled twice, which shows by two
// samples closer to each other than the period.
type twin struct {
	fd   int
	last uint64
	near int
}

// openEvents opens an event for each thread of p and attaches the program. It looks for threads
// until a look finds no new one. A thread that ends meanwhile is left out.
func openEvents(p *proc.Process, prog int, o Options) (*events, error) {
	e := &events{twins: make(map[uint32]*twin)}
	seen := make(map[int]bool)
	var tids []int
	for pass := 0; ; pass++ {
		var err error
		if tids, err = p.Threads(tids[:0]); err != nil {
			e.close()
			return nil, err
		}
		fresh := 0
		for _, tid := range tids {
			if seen[tid] {
				continue
			}
			seen[tid] = true
			fresh++
			if err := e.open(tid, prog, o); err != nil {
				e.close()
				return nil, err
			}
			if pass > 0 && len(e.fds) > 0 {
				e.twins[uint32(tid)] = &twin{fd: e.fds[len(e.fds)-1]}
			}
		}
		if fresh == 0 {
			break
		}
	}
	if len(e.fds) == 0 {
		return nil, fmt.Errorf("attach to %d: %w", p.PID(), proc.ErrNoProcess)
	}
	return e, nil
}

func (e *events) open(tid, prog int, o Options) error {
	attr := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_SOFTWARE,
		Config: unix.PERF_COUNT_SW_CPU_CLOCK,
		Size:   uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		// A period and not a frequency: the kernel's adaption undercounts short bursts.
		Sample: uint64(1e9 / o.Rate),
		Bits:   unix.PerfBitDisabled | unix.PerfBitInherit | perfBitInheritThread,
	}
	if o.OnExec {
		attr.Bits |= unix.PerfBitEnableOnExec
	} else {
		attr.Bits |= perfBitRemoveOnExec
	}
	fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return eventError(tid, err)
	}
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, prog); err != nil {
		unix.Close(fd)
		return fmt.Errorf("attach to thread %d: set program: %w", tid, err)
	}
	e.fds = append(e.fds, fd)
	return nil
}

func eventError(tid int, err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("attach to thread %d: perf event: %w (needs CAP_PERFMON, and CAP_SYS_PTRACE for another user's process: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep mayfly)", tid, fs.ErrPermission)
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("attach to thread %d: perf event: %w (raise the limit of open files: ulimit -n)", tid, err)
	}
	return fmt.Errorf("attach to thread %d: perf event: %w", tid, err)
}

// start and stop act on all threads that inherited an event, too.
func (e *events) start() error { return e.each(unix.PERF_EVENT_IOC_ENABLE) }
func (e *events) stop() error  { return e.each(unix.PERF_EVENT_IOC_DISABLE) }

func (e *events) each(request uint) (err error) {
	for _, fd := range e.fds {
		if er := unix.IoctlSetInt(fd, request, 0); er != nil && err == nil {
			err = fmt.Errorf("switch perf event: %w", er)
		}
	}
	return err
}

// cpu returns the CPU time in ns that all events have counted so far, ended threads included.
func (e *events) cpu() (uint64, error) {
	var sum uint64
	for _, fd := range e.fds {
		n, err := readCount(fd)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func readCount(fd int) (uint64, error) {
	var b [8]byte
	n, err := unix.Read(fd, b[:])
	if err == nil && n == 0 { // an event in error state, removed by exec
		return 0, nil
	}
	if err != nil || n != len(b) {
		return 0, fmt.Errorf("read perf event: %d bytes: %w", n, err)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// look watches for threads that are sampled twice, and closes the event of their own: it is the
// inherited one that its creator's count contains.
func (e *events) look(tid uint32, time uint64, period uint64) {
	t := e.twins[tid]
	if t == nil {
		return
	}
	if t.last != 0 && time-t.last < period/2 {
		t.near++
	}
	t.last = time
	if t.near < 2 {
		return
	}
	delete(e.twins, tid)
	for i, fd := range e.fds {
		if fd == t.fd {
			e.fds = append(e.fds[:i], e.fds[i+1:]...)
			unix.Close(fd)
			return
		}
	}
}

func (e *events) close() {
	for _, fd := range e.fds {
		unix.Close(fd)
	}
	e.fds = nil
}
