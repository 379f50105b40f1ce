package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/profiler"
)

// defaultDuration is how long a running process is recorded when nobody says. A command is recorded
// until it ends.
const defaultDuration = 10 * time.Second

// tolerance is how far the number of samples may be from what the CPU time makes expect before the
// difference is pointed out.
const tolerance = 0.15

// rare is the share of the scans asked for below which a remark says what keeps it from more.
const rare = 0.9

const overheadUsage = "CPU time that mayfly may use while it records, as a share of one core; it scans goroutines less often for that"

// defineOverhead adds --max-overhead, which is left at 0 where nobody says how much: the default depends on what else runs.
func defineOverhead(fl *pflag.FlagSet, p *percentage) {
	fl.Var(p, "max-overhead", overheadUsage)
	fl.Lookup("max-overhead").DefValue = defaultOverhead
}

// defaultOverhead is profiler.NewBudget(0).
const defaultOverhead = "10%, or 1% of all CPUs, and at most 2.5% of them while they are busy"

// rateUsage is the help of --rate.
const rateUsage = "rate in `Hz`: samples per second of CPU time, and scans of all goroutines per second"

// exactUsage is the help of --exact-cpu. The cost is measured: docs/cost.md.
var exactUsage = fmt.Sprintf("count the CPU time of label sets instead of sampling it, by uprobes: two traps of about 1 us at each switch "+
	"of goroutines, up to %d a second", profiler.MaxSwitches)

// eventsUsage is the help of --event.
var eventsUsage = "`events` to sample beside time, separated by commas; each is a column: " +
	strings.Join(profiler.EventNames(), ", ")

// leastMemory is what --memory-limit may be: mayfly itself needs that.
const leastMemory = 144

// recordFlags is the command line of record.
type recordFlags struct {
	pid      int
	rate     int
	duration duration
	output   string
	profileFlags
	mode       string
	overhead   percentage
	engine     string
	goroutines bool
	idle       bool
	timeline   bool
	pickFlags
	memory   int // MiB
	exact    string
	exactCPU bool
	events   []string
	calls    []string // functions whose calls are recorded exactly
	json     bool
	ring     ringFlags
	user     string // who runs the command; "": whoever runs mayfly
	command  []string
	tests    string        // folder: this is a recording that go test asked for
	given    []string      // flags of the command line, for recordings that go test asks for
	started  func(pid int) // called when the first sample may come; or nil
}

func (f *recordFlags) options() profiler.Options {
	return profiler.Options{
		Mode: profiler.Mode(f.mode), Rate: f.rate, Engine: profiler.Engine(f.engine), MaxOverhead: float64(f.overhead), Alone: true,
		MemoryLimit: f.memory << 20,
		Keep:        profiler.Keep{Goroutines: f.goroutines, Idle: f.idle, Timeline: f.timeline},
		Calls:       f.calls,
		ExactCPU:    f.exactCPU,
		Events:      f.events,
		Version:     readBuild().Version,
	}
}
