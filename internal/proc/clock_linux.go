package proc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// execCounter counts a process's CPU time from its next execve on, by the perf event task-clock: on each
// thread, since any may call execve. Counting costs a process whenever a thread is switched, so the
// counter is for one reading.
type execCounter struct{ threads []*os.File }

func openExecCounter(p *Process) (*execCounter, error) {
	tids, err := p.Threads(nil)
	if err != nil {
		return nil, err
	}
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		// Without the kernel, or users may not; a clock counts it all the same.
		Bits: unix.PerfBitDisabled | unix.PerfBitInherit | unix.PerfBitEnableOnExec | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	c := &execCounter{}
	for _, tid := range tids {
		fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("proc: clock of %d: %w", p.pid, err), c.close())
		}
		c.threads = append(c.threads, os.NewFile(uintptr(fd), "task-clock"))
	}
	return c, nil
}

// read returns the CPU time since the execve, 0 before it.
func (c *execCounter) read() (sum time.Duration) {
	var b [8]byte
	for _, f := range c.threads {
		if n, err := f.Read(b[:]); n == len(b) && err == nil {
			sum += time.Duration(binary.NativeEndian.Uint64(b[:]))
		}
	}
	return sum
}

func (c *execCounter) close() (err error) {
	for _, f := range c.threads {
		err = errors.Join(err, f.Close())
	}
	return err
}
