//go:build !unix

package profiler

import "time"

func selfCPU() time.Duration { return 0 }
func selfRSS() int64         { return 0 }
func epoch() int64           { return 0 }
