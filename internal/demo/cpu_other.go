//go:build !linux

package demo

import "time"

// processCPU is not known here.
func processCPU() time.Duration { return 0 }
