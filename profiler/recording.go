package profiler

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// Recording is what Record returns: a profile that is complete, and what it is worth.
type Recording struct {
	Profile *profile.Profile
	Summary Summary

	begin time.Time // TimeNanos, with a monotonic reading
	fresh int64     // goroutines that no earlier slice of the stream has
}

// recording is a recording under way.
type recording struct {
	options  Options
	target   *proc.Process
	memory   *proc.Space // of the program that is recorded; nil until a Pending one has begun
	symbols  *symbolize.Symbolizer
	images   goruntime.Images
	image    goruntime.Image   // that has the Go runtime
	exe      *os.File          // the same file,
	shared   *executable       // what it says to all who have it open,
	own      *symbolize.Binary // its symbols for the goroutine table,
	vars     *goruntime.Vars   // and what the table is found by, at link-time addresses
	doing    string            // "dump", else a recording: the begin of errors
	source   cpuSource         // nil: not allowed here
	rate     int               // that it is asked for, Hz: Options.Rate, or what the kernel allows
	sched    *bpf.Sched        // nil: not asked for, or not allowed
	table    *goroutine.Table  // nil: the same
	calls    *calls            // nil: the same
	exact    *exact            // nil: the same
	events   []*event          // those of Options.Events
	family   *proc.Family      // processes that the target starts
	arrivals *arrivals         // nil: the same
	accepts  *acceptors        // nil: not of a timeline
	govern   *governor         // nil: Options.Share is not asked for
	mu       sync.Mutex        // of slices and symbols while the sources run
	slices   *fold.Slices
	keep     fold.Keep
	summary  Summary
	reported reported // what earlier slices have reported already
	added    int      // samples of all sources

	cpus    int   // that the target may run on
	offset  int64 // of the target's CLOCK_MONOTONIC from the kernel's, ns
	opened  time.Time
	started time.Time    // the program, when it was started for the recording
	over    bool         // the last slice is closed: what comes now comes too late
	left    <-chan error // who nobody waits for any more uses the recording until something comes
}

// orGone is the error of a recording that could not begin: where the process is gone, that is why, whatever failed first.
func (r *recording) orGone(err error) error {
	if !errors.Is(err, ErrNoProcess) {
		return err
	}
	return fmt.Errorf("record %d: %w: it ended before its recording could begin (mayfly record -- PROGRAM holds a program until it can)",
		r.target.PID(), ErrNoProcess)
}

// replaced says whether the process has executed another program since it was opened. The sources tell each execve that comes after they
// were attached, and what was read before may be of two programs.
func (r *recording) replaced() bool {
	return r.memory != nil && r.memory.Over() && r.target.Alive()
}

func (r *recording) deny(what string) { r.summary.Denied = append(r.summary.Denied, what) }

// reported is what earlier slices have said of the numbers that the sources count from their beginning.
type reported struct {
	cpu   bpf.Stats
	table goroutine.Stats
	self  time.Duration
	ebpf  time.Duration
	clock time.Duration // the target's CPU clock, where no on-CPU source reads it

	children time.Duration // CPU time of its children
}

func (r *recording) close() {
	if r.source != nil {
		r.source.Close()
	}
	for _, e := range r.events {
		e.source.Close()
	}
	if r.sched != nil {
		r.sched.Close()
	}
	if r.calls != nil {
		r.calls.probes.Close()
	}
	if r.exact != nil {
		r.exact.probes.Close()
	}
	if r.arrivals != nil {
		r.arrivals.probes.Close()
	}
	if r.symbols != nil {
		r.symbols.Close()
	}
	r.dropImage()
	r.family.Close()
	if r.memory != nil {
		r.memory.Close()
	}
	r.target.Close()
}

// cpuSource samples what is on a CPU.
type cpuSource interface {
	sample.Source
	Name() string
	Start() error
	Flush()
	doubts() []string
	Stats() bpf.Stats
	Close() error
}

// calls is the probes, and what they said.
type calls struct {
	probes    *bpf.Calls
	functions []goruntime.Function
	all       []fold.Call
	err       error // why there are none
	bias      uint64
}

// exact is the counting.
type exact struct {
	probes  *bpf.Exact
	err     error // why nothing is counted any more
	refused bool  // and that was said

	times     []bpf.CPUTime // of the slice that is being closed,
	stats     bpf.ExactStats
	uncounted int64 // what the process's clock has counted in all slices beyond what the probes have, ns; less than 0: it is late
}

// event is one of Options.Events.
type event struct {
	name   string
	source *bpf.OnCPU
	before bpf.Stats // that earlier slices have reported
}

// arrivals is the programs that know when what goroutines read from sockets had come in, and what they said.
type arrivals struct {
	probes *bpf.Arrivals

	mu   sync.Mutex
	of   map[uint64][]sample.Arrival // by goroutine, since the last take
	n    int
	lost uint64
	err  error
}
