//go:build amd64 || arm64

package bpf

import "github.com/mayfly-profiler/mayfly/internal/proc"

// OpenExactWithin is OpenExact with another guard than MaxSwitches.
func OpenExactWithin(p *proc.Process, o ExactOptions, most uint32) (*Exact, error) {
	return openExact(p, o, most)
}
