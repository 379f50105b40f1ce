package profiler

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Life is how many goroutines lived up to a length of time, and how many of them were seen.
type Life = goroutine.Life

// Summary is what proves a recording: what was asked, what was reached, what was lost, what the
// host did not allow. Its JSON keys are the keys of the profile's comments without "mayfly.".
type Summary struct {
	Version     string  `json:"version"`
	EngineCPU   string  `json:"engine.cpu"`
	EngineWall  string  `json:"engine.wall"`
	RateAsked   int     `json:"rate_asked_hz"`
	RateReached float64 `json:"rate_reached_hz"` // samples per second of the target's CPU time
	Samples     int64   `json:"samples"`
	Lost        int64   `json:"lost"`
	// CPUProfiled is the weight of all samples, measured by the process's CPU clock, CPURusage. CPUCounted
	// is samples times period, lost ones included: what the number of samples says on its own.
	CPUProfiled int64 `json:"cpu_profiled_ns"`
	CPURusage   int64 `json:"cpu_rusage_ns"`
	CPUCounted  int64 `json:"cpu_counted_ns"`
	// CPUStolen is for how long threads had a CPU and could not use it, in a wall recording with eBPF: what the
	// scheduler counts and the process's clock does not. It is drawn as preempted, and not part of the others.
	CPUStolen int64 `json:"cpu_stolen_ns"`

	// Processes that the target started, of which nothing is in the profile: the CPU time that they used
	// meanwhile, theirs included, and which of them still run, as "PID NAME", the busiest first.
	ChildrenCPU int64    `json:"children_cpu_ns"`
	Children    []string `json:"children"`

	// Of a wall recording: the time of all goroutines in all states, looks at the goroutine table
	// per second and how many of them came too late, and the CPU time that the table saw, which is
	// independent of the on-CPU samples.
	Wall        int64   `json:"wall_ns"`
	TableRate   float64 `json:"table_rate_hz"`
	TableMissed int64   `json:"table_missed"`
	TableCPU    int64   `json:"table_cpu_ns"`
	// TableFirst is how long it took to look at every goroutine once, -1 if it was not done at the end;
	// TableSlowest is the longest look. What was not looked at yet is missing from the profile.
	TableFirst   int64 `json:"table_first_ns"`
	TableSlowest int64 `json:"table_slowest_ns"`
	TableSelfCPU int64 `json:"table_self_cpu_ns"` // of the thread that looks
	// TableLowest is the lowest number of looks a second that the budget left room for, the rate asked when it was enough.
	TableLowest float64 `json:"table_lowest_hz"`
	StacksTorn  int64   `json:"stacks_torn"` // dropped, because the goroutine ran while they were read

	// Epoch is what makes the target's CLOCK_MONOTONIC the timeline's Unix time: who has that clock, as execution traces do, is
	// on the timeline's without a doubt.
	Epoch int64 `json:"epoch_ns"`
	Procs int   `json:"gomaxprocs"` // at the beginning; 0: not known
	CPUs  int   `json:"cpus"`       // that the target may run on; 0: not known
	// Of what a program's speed depends on beside its code: the CPUs that the target's control groups allow it, 0 without a
	// limit; the Go runtime's variables in its environment; the host's CPU, its features that code is chosen by, and
	// what governs its frequency.
	Quota             float64  `json:"cpu_quota"`
	Settings          []string `json:"settings"`
	CPUModel          string   `json:"cpu_model"`
	Features          string   `json:"cpu_features"`
	FrequencyGovernor string   `json:"cpu_governor"`

	GoroutinesCreated   int64 `json:"goroutines_created"`   // while recording, by the runtime's own count of ids
	GoroutinesSeen      int64 `json:"goroutines_seen"`      // distinct, in at least one sample
	GoroutinesIdle      int   `json:"goroutines_idle"`      // did nothing and have no label: not in the profile
	GoroutinesUnwatched int64 `json:"goroutines_unwatched"` // too many at a time: not looked at

	// Coverage of a wall recording: of the goroutines created meanwhile those that were seen, and those
	// that looks at 100 Hz would have seen of the same, by the time that they were seen to live.
	GoroutinesNew   int64  `json:"goroutines_new"`
	GoroutinesAt100 int64  `json:"goroutines_at_100hz"`
	Lives           []Life `json:"goroutines_by_life"`

	// The garbage collector, of a wall recording: while it was marking, and stops of the world by the
	// runtime's own histograms, -1 before Go 1.22, which has none. Times are within 13 %.
	GCMark       int64 `json:"gc_mark_ns"`
	STWGC        int64 `json:"stw_gc"` // two a collection
	STWGCTime    int64 `json:"stw_gc_ns"`
	STWGCMax     int64 `json:"stw_gc_max_ns"`
	STWOther     int64 `json:"stw_other"` // for goroutine profiles, runtime.GOMAXPROCS and the like
	STWOtherTime int64 `json:"stw_other_ns"`
	STWOtherMax  int64 `json:"stw_other_max_ns"`

	UnlabeledShare  float64 `json:"unlabeled_share"` // of CPUProfiled
	LabelsCompleted int64   `json:"labels_completed"`
	LabelsTruncated int64   `json:"labels_truncated"` // samples with a part of their goroutine's labels only
	// LabelsLost are the samples whose goroutine had labels that could not be read: they were gone before.
	LabelsLost     int64 `json:"labels_lost"`
	LabelsLostTime int64 `json:"labels_lost_ns"`
	LabelsForeign  int64 `json:"labels_foreign"` // goroutines whose g.labels points to something else than labels
	// LabelsRenamed are keys, eight at most, that the program's labels have in the profile because theirs are ours.
	LabelsRenamed []string `json:"labels_renamed"`
	// StringsRepaired are the distinct texts (labels, names, paths) that were no UTF-8.
	StringsRepaired int64   `json:"strings_repaired"`
	StacksRooted    float64 `json:"stacks_rooted"` // share of goroutine samples whose stack is whole
	CallersRepaired int64   `json:"callers_repaired"`

	Calls int64 `json:"calls"` // of Options.Calls, with exact begin and end

	// Of a session in the own process: the share of the machine's CPU time that mayfly may use, what it
	// used after its start, and what it did about that.
	MaxOverhead float64 `json:"max_overhead"`
	Overhead    float64 `json:"overhead"`
	Governor    string  `json:"governor"`

	RingBytes int64 `json:"ring_bytes"` // that a Ring held when this window of it was complete; 0: not of a ring

	SelfCPU    int64    `json:"self_cpu_ns"`
	Programs   int64    `json:"ebpf_cpu_ns"` // that the eBPF programs took of the CPUs, in the time of those that ran there
	SelfRSS    int64    `json:"self_rss_bytes"`
	AttachTime int64    `json:"attach_ns"`
	Denied     []string `json:"denied"` // what the host did not allow, or the target does not offer
	End        string   `json:"end"`    // why the recording ended

	Kernel    string `json:"kernel"`
	GoVersion string `json:"go_version"`
	BuildID   string `json:"build_id"`
	Image     string `json:"image"`  // file with the Go runtime, when it is not the executable
	Layout    string `json:"layout"` // where the offsets of the runtime's structs come from
}

// Comments returns the summary as the profile's comments: key=value, one a line.
func (s *Summary) Comments() []string {
	v := reflect.ValueOf(*s)
	var lines []string
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("json")
		if val := format(v.Field(i).Interface()); val != "" {
			lines = append(lines, strings.ToValidUTF8(sample.CommentPrefix+key+"="+val, "\uFFFD"))
		}
	}
	return lines
}

func format(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', 4, 64)
	case []string:
		return strings.Join(v, "; ")
	case []Life: // below this long, seen (of them at 100 Hz)
		texts := make([]string, len(v))
		for i, l := range v {
			texts[i] = l.String()
		}
		return strings.Join(texts, ", ")
	}
	return fmt.Sprint(v)
}
