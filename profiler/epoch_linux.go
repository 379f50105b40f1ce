package profiler

import (
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// epoch is the Unix time in ns at which proc.Monotonic was zero.
func epoch() int64 {
	return time.Now().UnixNano() - proc.Monotonic()
}
