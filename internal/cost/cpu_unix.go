//go:build unix

package cost

import (
	"syscall"
	"time"
)

// cpuTime is what this process has used. proc.OwnCPU is the same: tests of package proc import this one.
func cpuTime() time.Duration {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
