//go:build amd64 || arm64

package perf

import (
	"github.com/mayfly-profiler/mayfly/internal/source"
	"golang.org/x/sys/unix"
)

// Probe says whether this kernel and these rights give perf events of a process of one's own user.
func Probe() (err error) {
	for _, userOnly := range []bool{false, true} {
		attr := attributes(Options{Rate: source.DefaultRate}, userOnly)
		fd, openErr := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC) // of this thread
		if openErr == nil {
			return unix.Close(fd)
		}
		err = eventError(openErr)
	}
	return err
}
