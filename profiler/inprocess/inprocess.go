// Package inprocess records the program that imports it.
//
//	s, err := inprocess.Start(inprocess.Options{})
//	rec, err := s.Stop()
//
//	http.Handle("/debug/mayfly/profile", inprocess.Handler())
//
// Who looks is a helper, a process of the same executable, which records its parent as the command
// records any process: it asks no goroutine of the program for CPU time, so it keeps its rate when the program is
// busiest. What the helper is not allowed to see, the runtime's CPU profile sees from inside: when there are neither eBPF nor perf
// events, or no helper at all. fgprof's engine, which stops the world, is for who asks for it.
//
// A process of the program that was started to be a helper becomes one in this package's init function and never gets to main:
// init functions of packages that are initialized before have run in it by then. A program that does not import this package
// never becomes one; package profiler records other processes without it.
package inprocess

import (
	"fmt"

	"github.com/mayfly-profiler/mayfly/profiler"
)

// DefaultShare is the share of the machine's CPU time that a session may use when nobody says.
const DefaultShare = 0.02

// Options say how to record. The zero value records all states at 999 Hz.
type Options struct {
	// Mode is profiler.Wall or profiler.CPU; "" is Wall.
	Mode profiler.Mode
	// Rate is the number of samples per second of CPU time, and of looks at the goroutine table per second;
	// 0 is profiler.DefaultRate.
	Rate int
	// Engine forces one way to sample; "" is the best that works.
	Engine profiler.Engine
	// Share is the share of the machine's CPU time that all of mayfly may use; both rates are lowered to keep it.
	// 0 is DefaultShare.
	Share float64
	// Keep says what the profile keeps beyond stacks and labels.
	Keep profiler.Keep
	// Version is what the comments say mayfly's version is.
	Version string
}

// validate finds what is wrong with options before anything is opened: every entry begins with it.
func (o *Options) validate() error {
	if o.Mode == profiler.CPU && o.Engine == profiler.FGProf {
		return fmt.Errorf("engine fgprof: it cannot tell time on a CPU: mode wall")
	}
	p := profiler.Options{Mode: o.Mode, Rate: o.Rate, Engine: o.Engine, Share: o.Share}
	return p.Validate()
}
