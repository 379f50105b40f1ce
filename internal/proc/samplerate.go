package proc

import (
	"os"
	"strconv"
	"strings"
)

// MaxSampleRate is kernel.perf_event_max_sample_rate, 0 when the kernel does not say. It bounds the samples
// of one perf event in a tick, of software clocks too: the kernel stops the event until the next tick
// (kernel/events/core.c, __perf_event_account_interrupt). The kernel lowers it by itself when samples take long.
func MaxSampleRate() int { return readMaxSampleRate(defaultRoot) }

func readMaxSampleRate(root string) int {
	b, err := os.ReadFile(root + "/sys/kernel/perf_event_max_sample_rate")
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
