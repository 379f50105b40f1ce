//go:build amd64 || arm64

package perf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
)

// events are perf events, one for each thread and CPU: those of threads that a thread creates later
// are inherited, and inheriting events may only share a ring with others of their CPU.
type events struct {
	fds      []int
	rings    []*ring // one for each CPU
	userOnly bool
}

// openEvents opens them stopped, with time in the kernel if that is allowed.
func openEvents(p *proc.Process, o Options) (*events, error) {
	if !o.UserOnly {
		e, err := openAll(p, o, false)
		if err == nil || !errors.Is(err, fs.ErrPermission) {
			return e, err
		}
	}
	return openAll(p, o, true)
}

// openAll opens an event on each thread.
func openAll(p *proc.Process, o Options, userOnly bool) (*events, error) {
	list := func() ([]int, error) { return p.Threads(nil) }
	return source.OnThreads(list, func(threads []int) (*events, error) { return openThreads(p, threads, o, userOnly) })
}

func openThreads(p *proc.Process, threads []int, o Options, userOnly bool) (*events, error) {
	e := &events{userOnly: userOnly}
	for cpu := range maxCPU() {
		if err := e.openCPU(cpu, threads, o); err != nil {
			e.Close()
			return nil, err
		}
	}
	if len(e.rings) == 0 {
		e.Close()
		return nil, fmt.Errorf("perf events of %d: %w", p.PID(), proc.ErrNoProcess)
	}
	return e, nil
}

// maxCPU is one more than the highest number of a CPU that may be online: that of CPUs that this process may
// run on does not tell.
func maxCPU() int {
	b, err := os.ReadFile("/sys/devices/system/cpu/possible")
	list := strings.TrimSpace(string(b))
	n := 0
	if i := strings.LastIndexAny(list, "-,"); err == nil {
		fmt.Sscanf(list[i+1:], "%d", &n)
	}
	return max(n+1, runtime.NumCPU())
}

// openCPU opens the events of all threads on one CPU.
func (e *events) openCPU(cpu int, threads []int, o Options) error {
	attr := attributes(o, e.userOnly)
	var first *ring
	for _, tid := range threads {
		fd, err := unix.PerfEventOpen(&attr, tid, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		switch {
		case errors.Is(err, unix.ENODEV): // the CPU is offline
			return nil
		case errors.Is(err, unix.ESRCH): // the thread is gone
			continue
		case err != nil:
			return eventError(err)
		}
		e.fds = append(e.fds, fd)
		if first != nil {
			if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_OUTPUT, first.fd); err != nil {
				return fmt.Errorf("perf event: share ring: %w", err)
			}
			first.fds = append(first.fds, fd)
			continue
		}
		if first, err = mapRing(fd, cpu); err != nil {
			return err
		}
		first.fds = []int{fd}
		e.rings = append(e.rings, first)
	}
	return nil
}

func attributes(o Options, userOnly bool) unix.PerfEventAttr {
	attr := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_SOFTWARE,
		Config: unix.PERF_COUNT_SW_CPU_CLOCK,
		Size:   uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Sample: uint64(1e9 / o.Rate), // a period in ns and not a frequency: the kernel's adaption wanders
		Sample_type: unix.PERF_SAMPLE_TID | unix.PERF_SAMPLE_TIME | unix.PERF_SAMPLE_CALLCHAIN | unix.PERF_SAMPLE_REGS_USER |
			unix.PERF_SAMPLE_STACK_USER,
		Sample_regs_user:  regsMask,
		Sample_stack_user: stackBytes,
		Wakeup:            1, // what is behind a sample has to be read at once
		Clockid:           unix.CLOCK_MONOTONIC,
		Bits: unix.PerfBitDisabled | unix.PerfBitInherit | unix.PerfBitExcludeHv | unix.PerfBitUseClockID | unix.PerfBitComm |
			unix.PerfBitCommExec | unix.PerfBitSampleIDAll | source.ThreadsOnly(),
	}
	if userOnly {
		attr.Bits |= unix.PerfBitExcludeKernel | unix.PerfBitExcludeCallchainKernel
	}
	if o.OnExec {
		attr.Bits |= unix.PerfBitEnableOnExec
	}
	return attr
}

func eventError(err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("perf event: %w: needs the same user and kernel.perf_event_paranoid <= 2 (%s), and a sandbox that allows "+
			"perf_event_open", fs.ErrPermission, paranoid())
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("perf event: %w: this kernel has no perf events", errors.ErrUnsupported)
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("perf event: %w: one for each thread and CPU (raise the limit of open files: ulimit -n)", err)
	}
	return fmt.Errorf("perf event: %w", err)
}

func paranoid() string {
	b, err := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
	if err != nil {
		return "unknown here"
	}
	return "here " + strings.TrimSpace(string(b))
}

// start and stop switch all events, those that were inherited from them too.
func (e *events) start() error { return e.ioctl(unix.PERF_EVENT_IOC_ENABLE) }
func (e *events) stop() error  { return e.ioctl(unix.PERF_EVENT_IOC_DISABLE) }

func (e *events) ioctl(request uint) (err error) {
	for _, fd := range e.fds {
		if er := unix.IoctlSetInt(fd, request, 0); er != nil && err == nil {
			err = fmt.Errorf("switch perf event: %w", er)
		}
	}
	return err
}

// Close closes them.
func (e *events) Close() error {
	if e == nil {
		return nil
	}
	for _, r := range e.rings {
		r.close()
	}
	for _, fd := range e.fds {
		unix.Close(fd)
	}
	e.rings, e.fds = nil, nil
	return nil
}
