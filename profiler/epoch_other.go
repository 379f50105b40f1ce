//go:build !linux

package profiler

func epoch() int64 { return 0 }
