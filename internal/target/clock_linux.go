package target

import "golang.org/x/sys/unix"

// Monotonic is the time that recordings are timed by, CLOCK_MONOTONIC in ns.
func Monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}
