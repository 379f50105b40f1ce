package profiler

import (
	"fmt"

	"github.com/mayfly-profiler/mayfly/profiler/bpf"
)

// DefaultShare is the share of the machine's CPU time that a session may use when nobody says.
const DefaultShare = 0.02

// check finds what is wrong with options before anything is started.
func check(o Options) error {
	switch {
	case o.Mode != Wall && o.Mode != CPU:
		return fmt.Errorf("mode %q: not wall or cpu", o.Mode)
	case o.Rate != 0 && (o.Rate < 1 || o.Rate > bpf.MaxRate):
		return fmt.Errorf("rate %d Hz: not between 1 and %d", o.Rate, bpf.MaxRate)
	case o.MaxOverhead < 0 || o.MaxOverhead > 1:
		return fmt.Errorf("overhead %g: not a share between 0 and 1", o.MaxOverhead)
	case o.Engine == FGProf && o.Mode == CPU:
		return fmt.Errorf("engine fgprof: it cannot tell time on a CPU: mode wall")
	}
	_, err := ParseEngine(string(o.Engine))
	return err
}
