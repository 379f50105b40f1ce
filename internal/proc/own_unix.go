//go:build unix

package proc

import (
	"runtime"
	"syscall"
	"time"
)

// OwnCPU is the CPU time that this process has used.
func OwnCPU() time.Duration {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// OwnRSS is the largest resident size of this process so far, in bytes.
func OwnRSS() int64 {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(ru.Maxrss) // in bytes there; others are not measured
	}
	return int64(ru.Maxrss) << 10 // getrusage(2): in KiB
}
