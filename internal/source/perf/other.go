//go:build !linux || !(amd64 || arm64)

package perf

import (
	"context"
	"errors"
	"fmt"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

var errPlatform = fmt.Errorf("perf event: %w: needs Linux on amd64 or arm64", errors.ErrUnsupported)

// OnCPU cannot work on this platform.
type OnCPU struct{}

// Open returns an error that wraps errors.ErrUnsupported.
func Open(*proc.Process, Options) (*OnCPU, error) { return nil, errPlatform }

// Execs cannot work on this platform.
type Execs struct{}

// OpenExecs returns an error that wraps errors.ErrUnsupported.
func OpenExecs() (*Execs, error) { return nil, errPlatform }

// Run returns at once.
func (*Execs) Run(context.Context, func(int)) {}

// Close does nothing.
func (*Execs) Close() error { return nil }

// Probe returns an error that wraps errors.ErrUnsupported.
func Probe() error { return errPlatform }

// Close does nothing.
func (*OnCPU) Close() error { return nil }

// SetRate returns an error that wraps errors.ErrUnsupported.
func (*OnCPU) SetRate(int) error { return errPlatform }

// Stats are empty.
func (*OnCPU) Stats() Stats { return Stats{} }

// Flush has nothing to do.
func (*OnCPU) Flush() {}

// Know has nothing to do.
func (*OnCPU) Know(*goruntime.Vars) {}

// Start returns an error that wraps errors.ErrUnsupported.
func (*OnCPU) Start() error { return errPlatform }

// Run returns an error that wraps errors.ErrUnsupported.
func (*OnCPU) Run(context.Context, func(*sample.Sample)) error { return errPlatform }
