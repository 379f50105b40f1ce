//go:build !unix

package cost

import "time"

var start = time.Now()

// cpuTime is not known here: it is the time that passes.
func cpuTime() time.Duration { return time.Since(start) }
