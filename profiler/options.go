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

// Validate returns what is wrong with the options, nil if nothing is. Every entry begins with it, before anything is opened.
func (o *Options) Validate() error {
	switch {
	case o.Mode != "" && o.Mode != Wall && o.Mode != CPU:
		return fmt.Errorf("mode %q: not wall or cpu", o.Mode)
	case !(o.MaxOverhead >= 0 && o.MaxOverhead <= 1): // NaN too
		return fmt.Errorf("overhead %g: not a share between 0 and 1", o.MaxOverhead)
	case !(o.Share >= 0 && o.Share <= 1):
		return fmt.Errorf("overhead %g: not a share between 0 and 1", o.Share)
	case o.MemoryLimit < 0:
		return fmt.Errorf("memory limit of %d bytes: less than none", o.MemoryLimit)
	}
	_, rateErr := source.Rate(o.Rate)
	_, err := ParseEngine(string(o.Engine))
	return cmp.Or(rateErr, err)
}

// validateOutside is Validate for a process that is recorded from outside.
func (o *Options) validateOutside(pid int) error {
	err := o.Validate()
	if err == nil && (o.Engine == Runtime || o.Engine == FGProf) {
		err = fmt.Errorf("engine %s is for the own process only (package inprocess)", o.Engine)
	}
	if err != nil {
		return fmt.Errorf("record %d: %w", pid, err)
	}
	return nil
}
