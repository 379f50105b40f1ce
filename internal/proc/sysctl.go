package proc

import (
	"path/filepath"
	"strconv"
	"strings"
)

// defaultRoot is where the proc file system is mounted. Tests put a recorded tree in its place.
const defaultRoot = "/proc"

// MaxSampleRate is kernel.perf_event_max_sample_rate, 0 when the kernel does not say. It bounds the samples
// of one perf event in a tick, of software clocks too: the kernel stops the event until the next tick
// (kernel/events/core.c, __perf_event_account_interrupt). The kernel lowers it by itself when samples take long.
func MaxSampleRate() int { return max(sysctl(defaultRoot, "perf_event_max_sample_rate"), 0) }

func yamaScope(root string) int { return sysctl(root, "yama", "ptrace_scope") }

// sysctl reads a number below kernel., or gives -1.
func sysctl(root string, name ...string) int {
	b, err := readSmall(filepath.Join(append([]string{root, "sys", "kernel"}, name...)...))
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return -1
	}
	return n
}
