package source

import (
	"io"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attempts and pause are for processes that create threads just now, as all do when they start.
const (
	attempts = 10
	pause    = 5 * time.Millisecond
)

// OnThreads opens perf events on all threads of a process, by open, which those inherit that these create; list lists the threads. One
// that was created meanwhile may have inherited one or not, nobody can tell, and two would count it twice: then all is done again. A
// process that never stops creating threads is taken as it is after some attempts.
func OnThreads[E io.Closer](list func() ([]int, error), open func(threads []int) (E, error)) (e E, err error) {
	threads, err := list()
	for n := 1; err == nil; n++ {
		if e, err = open(threads); err != nil {
			return e, err
		}
		var now []int
		if now, err = list(); err == nil && (slices.Equal(now, threads) || n == attempts) {
			return e, nil
		}
		e.Close()
		threads = now
		time.Sleep(pause)
	}
	return e, err
}

// ThreadsOnly is the bit inherit_thread of perf_event_attr, which x/sys has no name for, or 0 where the kernel does not know it
// (before Linux 5.13): threads inherit an event, children do not, so that no interrupt is theirs. Without it a source leaves out
// what they record.
var ThreadsOnly = sync.OnceValue(func() uint64 {
	attr := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_SOFTWARE,
		Config: unix.PERF_COUNT_SW_CPU_CLOCK,
		Size:   uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Bits:   unix.PerfBitDisabled | unix.PerfBitInherit | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv | unix.CBitFieldMaskBit35,
	}
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC) // of this thread
	if err != nil {
		return 0
	}
	unix.Close(fd)
	return unix.CBitFieldMaskBit35
})
