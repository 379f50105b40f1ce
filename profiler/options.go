package profiler

import (
	"cmp"
	"fmt"

	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
)

// What Options are when nobody says, and the most that they may be.
const (
	DefaultRate        = source.DefaultRate           // Hz
	MaxRate            = source.MaxRate               // Hz
	DefaultMaxOverhead = goroutine.DefaultMaxOverhead // of one core
	MaxCalls           = bpf.MaxCallEvents / 2        // of Options.Calls that are recorded, a second
)

// validate finds what is wrong with options before anything is opened: every entry begins with it.
func (o *Options) validate() error {
	switch {
	case o.Mode != "" && o.Mode != Wall && o.Mode != CPU:
		return fmt.Errorf("mode %q: not wall or cpu", o.Mode)
	case !(o.MaxOverhead >= 0 && o.MaxOverhead <= 1): // NaN too
		return fmt.Errorf("overhead %g: not a share between 0 and 1", o.MaxOverhead)
	case o.MemoryLimit < 0:
		return fmt.Errorf("memory limit of %d bytes: less than none", o.MemoryLimit)
	case o.Every < 0:
		return fmt.Errorf("slices of %s: time does not run backwards", o.Every)
	case o.Mode == CPU && o.Engine == FGProf:
		return fmt.Errorf("engine fgprof: it cannot tell time on a CPU: mode wall")
	}
	_, rateErr := source.Rate(o.Rate)
	_, err := ParseEngine(string(o.Engine))
	return cmp.Or(rateErr, err)
}

// validateOutside is validate for a process that is recorded from outside.
func (o *Options) validateOutside(pid int) error {
	err := o.validate()
	if err == nil && (o.Engine == Runtime || o.Engine == FGProf) {
		err = fmt.Errorf("engine %s is for the own process only (profiler.Start, or its HTTP endpoint)", o.Engine)
	}
	if err != nil {
		return fmt.Errorf("record %d: %w", pid, err)
	}
	return nil
}
