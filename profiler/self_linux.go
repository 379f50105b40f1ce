package profiler

import (
	"time"

	"golang.org/x/sys/unix"
)

const maxrssUnit = 1024 // getrusage(2): ru_maxrss is in KiB

// epoch is the Unix time in ns at which CLOCK_MONOTONIC was zero.
func epoch() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return time.Now().UnixNano() - ts.Nano()
}
