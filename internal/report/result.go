package report

import (
	"fmt"

	"github.com/mayfly-profiler/mayfly/internal/blame"
	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Options say what to report on. SLO is needed.
type Options struct {
	SLO     SLO
	Request timeline.Selector // what a request is; the zero value: a call of net/http's or gRPC's server function
	By      string            // a label key: one report for each of its values; "": one for all requests
	Notes   []string          // what readers should know of the recording; written with each report
	// Hanging has requests of which the recording has only a part count, if that took the limit or longer: they will not become
	// shorter. Where all requests hang there are no others.
	Hanging bool
	// Recording is the path of the profile, for the command that shows more; "" is FILE. Trace is that of the execution trace, if
	// there is nothing else.
	Recording, Trace string
}

// Report is what there is to say about one group of requests. Times are in ns.
type Report struct {
	Verdict    Verdict           `json:"verdict"`
	Why        string            `json:"why,omitempty"` // of an undecided verdict
	SLO        string            `json:"slo"`
	Group      map[string]string `json:"group"` // the label and value that the requests have in common
	Requests   int               `json:"requests"`
	Slow       int               `json:"slow"`           // requests that took the limit or longer
	Short      int               `json:"short"`          // requests that lasted for less than two scans: there were more, which nobody saw
	Scans      float64           `json:"scans_hz"`       // 0: the profile does not say
	Unfinished int               `json:"unfinished"`     // at the ends of the recording: not counted; of all groups together
	Streams    int               `json:"streams"`        // without an end of their own, as streams of events: not counted; of all groups
	Learnt     int               `json:"labels_learnt"`  // requests whose labels are those of others with the same handler
	Unknown    int               `json:"labels_unknown"` // requests besides these whose labels are not known: any may be of the group
	Evidence   timeline.Evidence `json:"evidence"`       // what says who waited for whom
	P99        int64             `json:"p99_ns"`
	Value      int64             `json:"value_ns"` // of what the objective is about
	SlowMean   int64             `json:"slow_mean_ns"`
	FastMean   int64             `json:"fast_mean_ns"`
	Cause      *Cause            `json:"cause"`  // nil unless the objective is broken
	Causes     []Charge          `json:"causes"` // the largest parts of the excess
	States     States            `json:"states"`
	RuledOut   []Ruled           `json:"ruled_out"`
	Labels     []Skew            `json:"labels"`
	Window     Window            `json:"window"`
	Notes      []string          `json:"notes"` // about the recording

	all              measure // of these requests and of those whose labels are not known
	view             *view   // for pictures
	recording, trace string  // of Options
}

// Cause is the one named cause.
type Cause struct {
	Kind       timeline.Kind     `json:"kind"`
	Function   string            `json:"function"`
	File       string            `json:"file"`
	Line       int64             `json:"line"`
	Peer       string            `json:"peer"`            // of a network wait; the call of a syscall
	Also       string            `json:"also,omitempty"`  // another kind that explains nearly as much
	Share      float64           `json:"share"`           // of the slow requests' excess that would be gone with it
	Quota      float64           `json:"quota,omitempty"` // CPUs that the control group may use, of a quota
	Limit      int               `json:"limit"`           // how many are let in at once, of a pool, a limit, workers; 0: not known
	Evidence   timeline.Evidence `json:"evidence"`        // what the weakest link between the requests and the cause is known by
	Confidence float64           `json:"confidence"`      // how often such an answer is right
	Chain      []string          `json:"chain"`           // from the request to the cause
	Sentence   string            `json:"sentence"`
	Remedy     string            `json:"remedy"` // what to change

	what   string          // what is waited for, in the words of the framework
	role   frameworks.Role // of the function that says so
	passed []timeline.Kind // of the chain's steps
	alone  bool            // there is no fast request to compare the slow ones with
	traced bool            // there is a trace
}

// Charge is a part of the slow requests' time, followed to where it was lost. Times are means.
type Charge struct {
	Kind     timeline.Kind `json:"kind"`
	Function string        `json:"function"`
	Slow     int64         `json:"slow_ns"`
	Fast     int64         `json:"fast_ns"`
	Share    float64       `json:"share"` // of the excess
	// Denied is the share of the excess in which this wanted a CPU and other processes had them. It is counted as os-scheduler.
	Denied float64 `json:"denied"`
}

// States is where the time of requests went, mean ns by state of the request's own goroutine.
type States struct {
	Slow map[timeline.Kind]int64 `json:"slow"`
	Fast map[timeline.Kind]int64 `json:"fast"`
}

// Ruled is a kind of cause that the excess is not.
type Ruled struct {
	Kind  timeline.Kind `json:"kind"`
	Slow  int64         `json:"slow_ns"`
	Fast  int64         `json:"fast_ns"`
	Share float64       `json:"share"`
}

// Skew is a label that slow requests have more often than fast ones.
type Skew struct {
	Key   string  `json:"key"`
	Value string  `json:"value"`
	Slow  float64 `json:"slow"` // share of the slow requests that have it
	Fast  float64 `json:"fast"`
	P     float64 `json:"p"` // the chance of so much difference if the label meant nothing
}

// Window is the time that the profile covers, Unix ns.
type Window struct {
	From int64 `json:"from_ns"`
	To   int64 `json:"to_ns"`
}

// reporter judges, compares and puts into words what a Blamer followed.
type reporter struct{ *blame.Blamer }

// Where is the cause's file and line, as far as they are known.
func (c *Cause) Where() string {
	if c.Line > 0 {
		return fmt.Sprintf("%s:%d", c.File, c.Line)
	}
	return c.File
}
