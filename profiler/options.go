package profiler

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
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
	MaxSwitches        = bpf.MaxSwitches              // of goroutines with Options.ExactCPU, a second
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
	case o.ExactCPU && o.Keep.Timeline:
		return errors.New("exact CPU times are of label sets, and a timeline has single samples: Options.ExactCPU does not go with Keep.Timeline")
	}
	if err := o.validateEvents(); err != nil {
		return err
	}
	_, rateErr := source.Rate(o.Rate)
	_, scansErr := source.Rate(o.Scans)
	_, err := ParseEngine(string(o.Engine))
	return cmp.Or(rateErr, scansErr, err)
}

func (o *Options) validateEvents() error {
	for i, name := range o.Events {
		if _, err := bpf.FindEvent(name); err != nil {
			return err
		}
		if slices.Contains(o.Events[:i], name) {
			return fmt.Errorf("event %s: asked for twice", name)
		}
	}
	if len(o.Events) > 0 && o.Keep.Timeline {
		return errors.New("events have no duration, and a timeline is made of intervals: Options.Events does not go with Keep.Timeline")
	}
	return nil
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

// DefaultMemoryLimit is Options.MemoryLimit when nobody says.
const DefaultMemoryLimit = 1 << 30

// Keep says what a profile keeps of its samples beyond stack and program labels. The zero value keeps nothing more.
type Keep struct {
	Goroutines bool // the goroutine id, as numeric label go.id
	Timeline   bool // of all states: each sample by itself, with the numeric labels go.id, go.parent and end_timestamp_ns
	Idle       bool // of all states: goroutines without labels that did nothing while recording, too
}

// Mode says what is recorded.
type Mode string

const (
	Wall Mode = "wall" // all states of all goroutines
	CPU  Mode = "cpu"  // time on a CPU
)

// Options say how to record. The zero value records all states at 999 Hz until the context ends.
type Options struct {
	// Mode is Wall or CPU; "" is Wall.
	Mode Mode
	// Rate is the number of samples per second of the target's CPU time, and of looks at the
	// goroutine table per second; 0 is DefaultRate.
	Rate int
	// Scans is how often per second the goroutine table is scanned, if that is not Rate; 0 is Rate.
	Scans int
	// Engine forces one way to sample; "" is the best that works, see Engine.
	Engine Engine
	// MaxOverhead is the share of one core that reading the goroutine table may use; the rate of
	// scans is lowered to keep it. 0 is DefaultMaxOverhead.
	MaxOverhead float64
	// Alone says that this process does nothing but record: MaxOverhead then holds for all CPU time that it
	// uses between the first sample and the last, and the table gets what the rest leaves of it, a quarter at least. 0 is then
	// NewBudget(0), and with Keep.Timeline DefaultBudget.
	Alone bool
	// Budget is Alone for several recordings of a process: what they may cost together, and Rate is the rate of on-CPU samples
	// of all of them. MaxOverhead does not count then.
	Budget *Budget
	// Host is what recordings of several processes have in common in the kernel; nil: each has events and programs of its own.
	Host *Host
	// Share is for who records beside the program: the share of the machine's CPU time (or of this process's quota) that all
	// of mayfly may use after its start. Both rates are lowered to keep it, and MaxOverhead does not count; 0 is no such budget.
	Share float64
	// Keep says what the profile keeps beyond stacks and labels.
	Keep Keep
	// Calls are functions whose calls Record adds to a timeline with their exact begin and end, by
	// uprobes. Those that the executable does not have are left out. What keeps it from being done is
	// among Summary.Denied; more than MaxCalls a second do.
	Calls []string
	// ExactCPU has the CPU time of label sets counted, by uprobes where the runtime switches goroutines and sets labels: see
	// summary.Exact. Samples then share what was counted for their labels. What keeps it from being done is among
	// Summary.Denied; more than MaxSwitches a second do. Not with Keep.Timeline.
	ExactCPU bool
	// Events are what else is sampled beside time, by perf's names, such as "page-faults" or "cache-misses": EventNames has all. Each
	// has a column of the profile, in which samples say how often it happened. Rate samples a second are taken of each, on each CPU, or as
	// many as it happens. One that cannot be sampled, as in many virtual machines those of the CPU's counters, is an error. They need
	// eBPF, and do not go with Keep.Timeline.
	Events []string
	// MemoryLimit is what this process may take, in bytes, about; 0 is DefaultMemoryLimit. Beyond it labels with many
	// values lose them, and a timeline ends. What that cost is among Summary.Denied.
	MemoryLimit int
	// Pending is set when the process has not yet executed the program that is to be recorded.
	Pending *Pending
	// Version is what the comments say mayfly's version is.
	Version string
	// Started is called once, when the first sample may come. The summary has what is known by then: engines, and what is
	// denied.
	Started func(Summary)
	// Progress is called now and then with the number of samples so far, from one goroutine.
	Progress func(samples int64, cpu time.Duration)
}

// Pending is a process that waits, and executes Exe when Release is called. Release returns when
// it has.
type Pending struct {
	Exe     string
	Release func() error
}

// Engine is a way to see what a process does: a rung of a ladder, best first. What each of them
// cannot do is in docs/engines.md. Without one, the best that the host allows is taken for time on
// a CPU, and for all other time the goroutine table or, where that cannot be read, fgprof. The
// profile's comments engine.cpu and engine.wall say which, and denied says why not the better ones.
type Engine string

const (
	EBPF    Engine = "ebpf"    // on a CPU: needs CAP_BPF and CAP_PERFMON
	Perf    Engine = "perf"    // on a CPU: needs perf_event_paranoid <= 2 and the same user
	Runtime Engine = "runtime" // on a CPU: the runtime's own profiler, of this process only
	Table   Engine = "table"   // the goroutine table alone: CPU time by label, without frames
	FGProf  Engine = "fgprof"  // all goroutines without states and labels, of this process only; everywhere
)

// Engines returns all engines, best first.
func Engines() []Engine { return []Engine{EBPF, Perf, Runtime, Table, FGProf} }

// ParseEngine returns the engine with the given name; "" is the best that works.
func ParseEngine(name string) (Engine, error) {
	if name == "" || slices.Contains(Engines(), Engine(name)) {
		return Engine(name), nil
	}
	var names []string
	for _, e := range Engines() {
		names = append(names, string(e))
	}
	return "", fmt.Errorf("engine %q: not one of %s", name, strings.Join(names, ", "))
}

// forcesCPU says that nothing but this engine will do for time on a CPU.
func (e Engine) forcesCPU() bool { return e != "" && e != Table }

// defaultEvery is the length of a slice when nobody says.
const defaultEvery = time.Second

// StreamOptions say how to stream. Calls are for Record only.
type StreamOptions struct {
	Options
	// Every is the length of a slice; 0 is a second.
	Every time.Duration
	// OneProgram ends the stream when the process executes another program, or has while it was opened, without a slice then.
	OneProgram bool
}

// validateOutside is Options.validateOutside for a stream.
func (o *StreamOptions) validateOutside(pid int) error {
	switch {
	case len(o.Calls) > 0:
		return errCalls
	case o.Every < 0:
		return fmt.Errorf("record %d: slices of %s: time does not run backwards", pid, o.Every)
	}
	return o.Options.validateOutside(pid)
}

// errCalls says what Calls needs.
var errCalls = errors.New("calls are samples of a timeline: Options.Calls wants Keep.Timeline, and is for Record")

// ErrNoProcess is wrapped by errors about a process that does not exist or has ended.
var ErrNoProcess = proc.ErrNoProcess

// ErrNotGo is wrapped by errors about a program that was not built by Go.
var ErrNotGo = goruntime.ErrNotGo
