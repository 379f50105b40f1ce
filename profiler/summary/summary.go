// Package summary is what a recording is worth: what was asked, what was reached, what was lost, what the host did not allow. It
// stands in the profile's comments, and with its JSON keys in what mayfly prints with --json; docs/format.md explains each key.
package summary

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What EngineCPU and EngineWall are besides the name of an Engine.
const (
	None           = "none"            // nothing saw it
	GoroutineTable = "goroutine table" // the target's table of goroutines, read from outside
)

// Summary is of one recording, or of one slice of a stream. Its groups are embedded so that its JSON has no levels: the JSON keys
// are the keys of the comments without "mayfly.".
type Summary struct {
	Version    string `json:"version"`     // of mayfly, as Options.Version says
	EngineCPU  string `json:"engine.cpu"`  // what saw time on a CPU: an Engine, GoroutineTable or None
	EngineWall string `json:"engine.wall"` // what saw all other time: the same
	RateAsked  int    `json:"rate_asked_hz"`
	CPU
	Children
	Table
	Host
	Coverage
	GC
	Labels
	Stacks
	Exact
	Events
	Calls    int64 `json:"calls"`    // of Options.Calls, with exact begin and end
	Arrivals int64 `json:"arrivals"` // reads from sockets of which it is known for how long there had been something
	Accepts
	Budget
	RingBytes int64 `json:"ring_bytes"` // that a Ring held when this window of it was complete; 0: not of a ring
	Self
	Denied []string `json:"denied"` // what the host did not allow, or the target does not offer
	End    string   `json:"end"`    // why the recording ended
	Target
}

// CPU is the samples of what is on a CPU. Profiled is the weight of all samples, measured by the process's CPU clock, Rusage.
// Counted is samples times period, lost ones included: what the number of samples says on its own.
type CPU struct {
	RateReached float64 `json:"rate_reached_hz"` // samples per second of the target's CPU time
	Samples     int64   `json:"samples"`
	Lost        int64   `json:"lost"` // taken and not delivered
	Profiled    int64   `json:"cpu_profiled_ns"`
	Rusage      int64   `json:"cpu_rusage_ns"`
	Counted     int64   `json:"cpu_counted_ns"`
	// Stolen is for how long threads had a CPU and could not use it, in a wall recording with eBPF: what the
	// scheduler counts and the process's clock does not. It is drawn as preempted, and not part of the others.
	Stolen int64 `json:"cpu_stolen_ns"`
}

// Children are the processes that the target started, of which nothing is in the profile: the CPU time that they used meanwhile,
// theirs included, and which of them still run, as "PID NAME", the busiest first.
type Children struct {
	CPUTime int64    `json:"children_cpu_ns"`
	Running []string `json:"children"`
}

// Table is the reading of the goroutine table, of a wall recording.
type Table struct {
	Wall   int64   `json:"wall_ns"`       // of all goroutines in all states
	Rate   float64 `json:"table_rate_hz"` // scans per second
	Missed int64   `json:"table_missed"`  // scans that came too late
	// Running is the CPU time that the table saw, which is independent of the on-CPU samples.
	Running int64 `json:"table_cpu_ns"`
	// First is how long it took to scan every goroutine once, -1 if it was not done at the end; what was not scanned yet is
	// missing from the profile. Slowest is the longest scan.
	First   int64 `json:"table_first_ns"`
	Slowest int64 `json:"table_slowest_ns"`
	Thread  int64 `json:"table_self_cpu_ns"` // CPU time of the thread that scans
	// Lowest is the lowest number of scans a second that the budget left room for, the rate asked when it was enough.
	Lowest float64 `json:"table_lowest_hz"`
	Torn   int64   `json:"stacks_torn"` // stacks dropped, because the goroutine ran while they were read
}

// Host is what a program's speed depends on beside its code.
type Host struct {
	// Epoch is what makes the target's CLOCK_MONOTONIC the timeline's Unix time: who has that clock, as execution traces do, is
	// on the timeline's without a doubt.
	Epoch    int64    `json:"epoch_ns"`
	Procs    int      `json:"gomaxprocs"` // at the beginning; 0: not known
	CPUs     int      `json:"cpus"`       // that the target may run on; 0: not known
	Quota    float64  `json:"cpu_quota"`  // CPUs that the target's control groups allow it, 0 without a limit that can be seen
	Settings []string `json:"settings"`   // the Go runtime's variables in the target's environment
	CPUModel string   `json:"cpu_model"`
	Features string   `json:"cpu_features"` // of the CPU that code is chosen by
	Governor string   `json:"cpu_governor"` // of its frequency
	Hostname string   `json:"hostname"`
}

// Coverage is how many goroutines there were and how many of them were seen, of a wall recording.
type Coverage struct {
	Created   int64 `json:"goroutines_created"`   // while recording, by the runtime's own count of ids
	Seen      int64 `json:"goroutines_seen"`      // distinct, in at least one sample
	Idle      int   `json:"goroutines_idle"`      // did nothing and have no label: not in the profile
	Unwatched int64 `json:"goroutines_unwatched"` // too many at a time: not scanned
	// Of the goroutines created meanwhile those that were seen, and those that scans at 100 Hz would have seen of the
	// same, by the time that they were seen to live.
	New   int64         `json:"goroutines_new"`
	At100 int64         `json:"goroutines_at_100hz"`
	Lives []sample.Life `json:"goroutines_by_life"`
	// Lifetimes are of all goroutines, then of the values of labels that were seen most often, 32 at most: since mayfly
	// attached, also in a slice.
	Lifetimes []sample.Lifetimes `json:"lifetimes"`
}

// Accepts is the connections that waited until the program accepted them, of a timeline: of each socket at which it listened when the
// recording began, 16 at most.
type Accepts struct {
	Queues []sample.AcceptQueue `json:"accept_queues"`
}

// GC is the garbage collector, of a wall recording: while it was marking, and stops of the world by the runtime's own histograms,
// -1 before Go 1.22, which has none. Times are within 13 %.
type GC struct {
	Mark      int64 `json:"gc_mark_ns"`
	Stops     int64 `json:"stw_gc"` // two a collection
	StopTime  int64 `json:"stw_gc_ns"`
	StopMax   int64 `json:"stw_gc_max_ns"`
	Others    int64 `json:"stw_other"` // for goroutine profiles, runtime.GOMAXPROCS and the like
	OtherTime int64 `json:"stw_other_ns"`
	OtherMax  int64 `json:"stw_other_max_ns"`
}

// Labels is what became of the program's labels.
type Labels struct {
	Unlabeled float64 `json:"unlabeled_share"` // of CPU.Profiled
	Completed int64   `json:"labels_completed"`
	Truncated int64   `json:"labels_truncated"` // samples with a part of their goroutine's labels only
	// Gone are the samples whose goroutine had labels that could not be read: they were gone before.
	Gone     int64 `json:"labels_lost"`
	GoneTime int64 `json:"labels_lost_ns"`
	Foreign  int64 `json:"labels_foreign"` // goroutines whose g.labels points to something else than labels
	// Renamed are keys, eight at most, that the program's labels have in the profile because theirs are ours.
	Renamed []string `json:"labels_renamed"`
	// Traps are goroutines whose labels are not those of what they work for, as of the end.
	Traps []sample.LabelTrap `json:"label_traps"`
	// Repaired are the distinct texts (labels, names, paths) that were no UTF-8.
	Repaired int64 `json:"strings_repaired"`
}

// Stacks is how good the stacks of on-CPU samples are.
type Stacks struct {
	Rooted  float64 `json:"stacks_rooted"`    // share of goroutine samples whose stack is whole
	Callers int64   `json:"callers_repaired"` // callers of leaves that were put back
}

// Exact is the CPU time that was counted and not sampled, of Options.ExactCPU.
type Exact struct {
	// Sets are the label sets, those with most CPU time first, 256 at most, and what else there is. Their sum is what the process's
	// clock counted since counting began, as far as it is known for what.
	Sets []sample.ExactCPU `json:"exact_cpu"`
}

// Budget is of a session in the own process: the share of the machine's CPU time that mayfly may use, what it used after its
// start, and what it did about that.
type Budget struct {
	Most float64 `json:"max_overhead"`
	Used float64 `json:"overhead"`
	Acts string  `json:"governor"`
}

// Events are what was sampled beside time, of Options.Events.
type Events struct {
	Counts []sample.EventCount `json:"events"`
}

// Self is what mayfly took itself.
type Self struct {
	CPUTime  int64 `json:"self_cpu_ns"`
	Programs int64 `json:"ebpf_cpu_ns"` // that the eBPF programs took of the CPUs, in the time of those that ran there
	RSS      int64 `json:"self_rss_bytes"`
	Attach   int64 `json:"attach_ns"` // from the beginning until the first sample could come
}

// Target is the program that was recorded.
type Target struct {
	Kernel    string `json:"kernel"` // release of the one that it runs on
	GoVersion string `json:"go_version"`
	BuildID   string `json:"build_id"`
	// Main is the import path of the program's package main, "" where the build does not say.
	Main string `json:"main_package"`
	// Build are the settings of the build that decide what machine code is made of a source.
	Build []string `json:"build"`
	Image string   `json:"image"` // file with the Go runtime, when it is not the executable
	PID   int      `json:"pid"`   // in the namespace of who recorded it
	// Resource is what its environment says of its service, in the format of OTEL_RESOURCE_ATTRIBUTES.
	Resource string `json:"resource"`
	Layout   string `json:"layout"` // where the offsets of the runtime's structs come from
}

// Merge adds the summary of the slice that comes next; s is the zero value before the first. Counts and times add up. Ratios are
// weighted by share, the part that the slice's length has of the length of all. Of what is neither, the last slice's counts. A
// number that a slice does not know (-1) the whole does not know. Coverage.Seen is the sum: who knows which goroutines two slices
// have in common sets it.
func (s *Summary) Merge(next *Summary, share float64) {
	s.Version, s.EngineCPU, s.EngineWall, s.RateAsked = next.Version, next.EngineCPU, next.EngineWall, next.RateAsked
	s.CPU.merge(&next.CPU, share)
	s.Children.merge(&next.Children)
	s.Table.merge(&next.Table, share)
	s.Host.merge(&next.Host, share)
	s.Coverage.merge(&next.Coverage)
	s.GC.merge(&next.GC)
	s.Labels.merge(&next.Labels, share)
	s.Stacks.merge(&next.Stacks, share)
	s.Exact.merge(&next.Exact)
	s.Events.merge(&next.Events, share)
	s.Calls += next.Calls
	s.Arrivals += next.Arrivals
	s.Accepts.merge(&next.Accepts)
	s.Budget.merge(&next.Budget, share)
	s.RingBytes += next.RingBytes
	s.Self.merge(&next.Self)
	for _, d := range next.Denied {
		if !slices.Contains(s.Denied, d) {
			s.Denied = append(s.Denied, d)
		}
	}
	s.End, s.Target = next.End, next.Target
}
