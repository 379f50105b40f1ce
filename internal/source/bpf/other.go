//go:build !linux || !(amd64 || arm64)

package bpf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

var errPlatform = fmt.Errorf("load eBPF: %w: needs Linux on amd64 or arm64", errors.ErrUnsupported)

// OnCPU cannot work on this platform.
type OnCPU struct{}

// Open returns an error that wraps errors.ErrUnsupported.
func Open(*proc.Process, Options) (*OnCPU, error) { return nil, errPlatform }

// Probe returns an error that wraps errors.ErrUnsupported.
func Probe() error { return errPlatform }

// Close does nothing.
func (*OnCPU) Close() error { return nil }

// Stats are empty.
func (*OnCPU) Stats() Stats { return Stats{} }

// Know has nobody to tell.
func (*OnCPU) Know(Text) error { return errPlatform }

// Flush has nothing to do.
func (*OnCPU) Flush() {}

// SetRate returns an error that wraps errors.ErrUnsupported.
func (*OnCPU) SetRate(int) error { return errPlatform }

// Start returns an error that wraps errors.ErrUnsupported.
func (*OnCPU) Start() error { return errPlatform }

// Run returns an error that wraps errors.ErrUnsupported.
func (*OnCPU) Run(context.Context, func(*sample.Sample)) error { return errPlatform }

// Sched cannot work on this platform.
type Sched struct{}

// OpenSched returns an error that wraps errors.ErrUnsupported.
func OpenSched(*proc.Process, *Host) (*Sched, error) { return nil, errPlatform }

// Host cannot work on this platform.
type Host struct{}

// NewHost returns one that has no events.
func NewHost(int) *Host { return new(Host) }

// Asleep knows nothing.
func (*Sched) Asleep() (uint64, bool) { return 0, false }

// Times knows no thread.
func (*Sched) Times(uint32) (sample.ThreadTimes, bool) { return sample.ThreadTimes{}, false }

// ExecTimes knows no thread.
func (*Sched) ExecTimes(dst []ExecTime) []ExecTime { return dst }

// Cost is 0.
func (*Sched) Cost() time.Duration { return 0 }

// Cost is 0.
func (*OnCPU) Cost() time.Duration { return 0 }

// Slotless is 0.
func (*Sched) Slotless() uint32 { return 0 }

// Close does nothing.
func (*Sched) Close() error { return nil }

// Arrivals cannot work on this platform.
type Arrivals struct{}

// OpenArrivals returns an error that wraps errors.ErrUnsupported.
func OpenArrivals(*proc.Process, *goruntime.Layout) (*Arrivals, error) { return nil, errPlatform }

// Run returns an error that wraps errors.ErrUnsupported.
func (*Arrivals) Run(context.Context, func(Arrival)) (uint64, error) { return 0, errPlatform }

// Close does nothing.
func (*Arrivals) Close() error { return nil }

// Calls cannot work on this platform.
type Calls struct{}

// OpenCalls returns an error that wraps errors.ErrUnsupported.
func OpenCalls(*proc.Process, *goruntime.Layout, Code) (*Calls, error) {
	return nil, errPlatform
}

// Run returns an error that wraps errors.ErrUnsupported.
func (*Calls) Run(context.Context, func(Call)) error { return errPlatform }

// Close does nothing.
func (*Calls) Close() error { return nil }

// Exact cannot work on this platform.
type Exact struct{}

// OpenExact returns an error that wraps errors.ErrUnsupported.
func OpenExact(*proc.Process, ExactOptions) (*Exact, error) { return nil, errPlatform }

// Run returns at once.
func (*Exact) Run(context.Context) {}

// Take returns an error that wraps errors.ErrUnsupported.
func (*Exact) Take() ([]CPUTime, ExactStats, error) { return nil, ExactStats{}, errPlatform }

// Close does nothing.
func (*Exact) Close() error { return nil }
