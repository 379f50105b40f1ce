package proc

import "time"

// Epoch is the Unix time in ns at which Monotonic was zero.
func Epoch() int64 { return time.Now().UnixNano() - Monotonic() }
