//go:build amd64 || arm64

package bpf

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetRate changes Options.Rate, also while Run is running. Weights are measured, so they stay right;
// Stats.Counted is wrong for the samples that are under way, some 50 ms of them.
func (s *OnCPU) SetRate(hz int) error {
	if hz < 1 || hz > MaxRate {
		return fmt.Errorf("rate %d Hz: not between 1 and %d", hz, MaxRate)
	}
	s.rate.Store(int64(hz))
	return s.events.period(uint64(1e9 / hz))
}

func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}
