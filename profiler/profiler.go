// Package profiler records what a Go process does and returns it as a pprof profile.
//
//	rec, err := profiler.Record(ctx, pid, profiler.Options{})
//	err = rec.Profile.Write(file)
//
// A source (package bpf) observes the target and emits samples. A Builder folds samples into one
// *profile.Profile: it puts back the caller of the leaf, cuts stacks where they end, resolves
// addresses to functions, lines and inlined frames (package symbolize), and keeps goroutine labels.
// Everything after that is a function of profiles: package export writes them, go tool pprof reads
// them.
//
// The target is observed from outside: it is never stopped, signalled or written to. A program that
// wants to observe itself imports package inprocess, which does so by a helper process, with the same engines and,
// where those are not allowed, the runtime's own.
package profiler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/profiler/internal/finish"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// ErrNoProcess is wrapped by errors about a process that does not exist or has ended.
var ErrNoProcess = proc.ErrNoProcess

// ErrNotGo is wrapped by errors about a program that was not built by Go.
var ErrNotGo = goruntime.ErrNotGo

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
	// Engine forces one way to sample; "" is the best that works, see Engine.
	Engine Engine
	// MaxOverhead is the share of one core that reading the goroutine table may use; the rate of
	// scans is lowered to keep it. 0 is DefaultMaxOverhead.
	MaxOverhead float64
	// Alone says that this process does nothing but record: MaxOverhead then holds for all CPU time that it
	// uses between the first sample and the last, and the table gets what the rest leaves of it, a quarter at least.
	Alone bool
	// Share is for who records beside the program: the share of the machine's CPU time (or of this process's quota) that all
	// of mayfly may use after its start. Both rates are lowered to keep it, and MaxOverhead does not count; 0 is no such budget.
	Share float64
	// Keep says what the profile keeps beyond stacks and labels.
	Keep Keep
	// Calls are functions whose calls Record adds to a timeline with their exact begin and end, by
	// uprobes. Those that the executable does not have are left out. What keeps it from being done is
	// among Summary.Denied; more than MaxCalls a second do.
	Calls []string
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

// Recording is what Record returns: a profile that is complete, and what it is worth.
type Recording struct {
	Profile *profile.Profile
	Summary Summary

	begin time.Time // TimeNanos, with a monotonic reading
	fresh int64     // goroutines that no earlier slice of the stream has
}

// Record samples the process until ctx ends or the process is gone, whichever comes first; both are a normal end. When the
// process executes another Go program, the recording goes on with that. Errors wrap ErrNoProcess, ErrNotGo, fs.ErrPermission
// (a right is missing; the text names it) or errors.ErrUnsupported (the kernel or platform lacks something).
//
// When the error comes after the first sample, the recording is returned with it.
func Record(ctx context.Context, pid int, o Options) (*Recording, error) {
	if err := o.validateOutside(pid); err != nil {
		return nil, err
	}
	if len(o.Calls) > 0 && !o.Keep.Timeline {
		return nil, errCalls
	}
	var parts []*Recording
	err := follow(ctx, pid, StreamOptions{Options: o}, func(rec *Recording) error { parts = append(parts, rec); return nil })
	if len(parts) == 0 {
		return nil, err
	}
	rec, werr := whole(parts)
	return rec, errors.Join(err, werr)
}

// recording is a recording under way.
type recording struct {
	options  Options
	target   *proc.Process
	symbols  *symbolize.Symbolizer
	images   goruntime.Images
	image    goruntime.Image // that has the Go runtime
	exe      *os.File        // of the goroutine table's own symbols,
	own      *symbolize.Binary
	vars     *goruntime.Vars  // and what the table is found by, at link-time addresses
	source   cpuSource        // nil: not allowed here
	rate     int              // that it is asked for, Hz: Options.Rate, or what the kernel allows
	sched    *bpf.Sched       // nil: not asked for, or not allowed
	table    *goroutine.Table // nil: the same
	calls    *calls           // nil: the same
	family   *family          // processes that the target starts
	govern   *governor        // nil: Options.Share is not asked for
	mu       sync.Mutex       // of builder, before and symbols while the sources run
	builder  *Builder
	before   *Builder // of the slice that ends at border, until all its samples have come; or nil
	border   int64    // CLOCK_MONOTONIC, ns
	summary  Summary
	reported reported // what earlier slices have reported already
	added    int      // samples of all sources

	cpus    int   // that the target may run on
	offset  int64 // of the target's CLOCK_MONOTONIC from the kernel's, ns
	opened  time.Time
	started time.Time    // the program, when it was started for the recording
	over    bool         // the last builder is closed: what comes now comes too late
	left    <-chan error // who nobody waits for any more uses the recording until something comes
}

func open(ctx context.Context, pid int, o Options) (*recording, error) {
	r, err := openTarget(pid, o)
	if err != nil {
		return nil, err
	}
	if err := r.enter(ctx, func() error { return r.attach(ctx) }); err != nil {
		err = r.orGone(err)
		r.leave()
		return nil, err
	}
	return r, nil
}

// orGone is the error of a recording that could not begin: where the process is gone, that is why, whatever failed first.
func (r *recording) orGone(err error) error {
	if !errors.Is(err, ErrNoProcess) {
		return err
	}
	return fmt.Errorf("record %d: %w: it ended before its recording could begin (mayfly record -- PROGRAM holds a program until it can)",
		r.target.PID(), ErrNoProcess)
}

// openTarget opens the process and nothing more.
func openTarget(pid int, o Options) (*recording, error) {
	r := &recording{options: o, opened: time.Now(), reported: reported{self: proc.OwnCPU()}}
	if r.options.Rate == 0 {
		r.options.Rate = DefaultRate
	}
	r.rate = r.options.Rate
	if r.options.Share > 0 {
		r.options.MaxOverhead = min(cores(r.options.Share), 1) // of the table, until it is known what the rest takes
	}
	if r.options.Mode == "" {
		r.options.Mode = Wall
	}
	var err error
	if r.target, err = proc.Open(pid); errors.Is(err, ErrNoProcess) {
		return nil, fmt.Errorf("record %d: %w (mayfly list shows the Go processes)", pid, ErrNoProcess)
	} else if err != nil {
		return nil, fmt.Errorf("record %d: %w", pid, err)
	}
	r.family = newFamily(r.target)
	r.readSurroundings()
	return r, nil
}

// readSurroundings reads what the target's speed depends on beside its code: worth having, and not worth failing for.
func (r *recording) readSurroundings() {
	r.cpus, _ = r.target.CPUs()
	r.offset = r.target.TimeOffset()
	s := &r.summary
	hardware := proc.ReadHardware()
	s.Host.CPUModel, s.Host.Features, s.Host.Governor = hardware.Model, hardware.Features, hardware.Governor
	s.Host.Settings, _ = r.target.Settings()
	s.Host.Quota = r.target.Quota()
}

func (r *recording) deny(what string) { r.summary.Denied = append(r.summary.Denied, what) }

func (r *recording) close() {
	if r.source != nil {
		r.source.Close()
	}
	if r.sched != nil {
		r.sched.Close()
	}
	if r.calls != nil {
		r.calls.probes.Close()
	}
	if r.symbols != nil {
		r.symbols.Close()
	}
	if r.exe != nil {
		r.exe.Close()
	}
	r.family.close()
	r.target.Close()
}

// progressEvery is how many samples pass between two calls of Progress: it is for people.
const progressEvery = 128

func execed(err error) bool {
	return errors.Is(err, source.ErrExec)
}

func (r *recording) add(s *sample.Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	r.sort(s)
	if r.added++; r.added%progressEvery == 0 && r.options.Progress != nil {
		r.options.Progress(r.builder.tally.Samples, time.Duration(r.builder.tally.CPU))
	}
}

// finish fills in what is known once all samples of a builder have come.
func (r *recording) finish(b *Builder, end string) {
	t, s := b.Tally(), &r.summary
	s.Version, s.EngineCPU, s.EngineWall = r.options.Version, summary.None, summary.None
	s.RateAsked, s.Host.CPUs = r.options.Rate, r.cpus
	s.CPU.Samples, s.CPU.Lost = t.Samples, t.Lost
	s.CPU.Profiled, s.Table.Wall = t.CPU, t.Wall
	s.Labels.Gone, s.Labels.GoneTime, s.Labels.Truncated = t.LabelsLost, t.LabelsLostTime, t.LabelsCut
	s.Labels.Renamed = b.words.renamed
	for _, lost := range b.limit.remarks(cmp.Or(r.options.MemoryLimit, DefaultMemoryLimit)) {
		r.deny(lost)
	}
	if r.source != nil {
		r.finishCPU(t)
	}
	if r.table != nil {
		r.finishTable(t)
	}
	s.Coverage.Seen = max(int64(t.Goroutines), s.Coverage.Seen)
	if t.CPU > 0 {
		s.Labels.Unlabeled = float64(t.Unlabeled) / float64(t.CPU)
	}
	if n := t.Rooted + t.Unrooted; n > 0 {
		s.Stacks.Rooted = float64(t.Rooted) / float64(n)
	}
	s.Stacks.Callers = t.Repaired
	r.finishImages()
	r.finishFamily()
	r.finishCalls()
	if r.sched != nil {
		if n := r.sched.Slotless(); n > 0 {
			r.deny(fmt.Sprintf("preempted, throttled and stopped time of %d threads: there were more than the scheduler's view has room for", n))
		}
	}
	if d := r.target.Blocked(); d > readPatience && r.table == nil {
		r.deny(blockedFor(d).Error() + ": labels that lie there are missing")
	}
	for _, w := range r.symbols.Warnings() {
		r.deny(w)
	}
	s.End = end
	if host, err := proc.HostRights(); err == nil {
		s.Target.Kernel = host.Kernel
	}
	if maps := r.symbols.Mappings(); len(maps) > 0 {
		s.Target.BuildID = maps[0].BuildID
	}
	if bin, _ := r.golang(); bin != nil {
		s.Target.BuildID = bin.BuildID()
	}
	if r.govern != nil {
		r.govern.tell(s)
	}
	self := proc.OwnCPU()
	s.Self.CPUTime, r.reported.self = (self - r.reported.self).Nanoseconds(), self
	programs := r.programs()
	s.Self.Programs, r.reported.ebpf = (programs - r.reported.ebpf).Nanoseconds(), programs
	s.Self.RSS = proc.OwnRSS()
}

func (r *recording) finishCPU(t Tally) {
	now, s := r.source.Stats(), &r.summary
	st := now.Since(r.reported.cpu)
	r.reported.cpu = now
	s.EngineCPU = r.source.Name()
	s.CPU.Rusage, s.CPU.Counted, s.CPU.Stolen = st.Rusage.Nanoseconds(), st.Counted.Nanoseconds(), st.Stolen.Nanoseconds()
	if t.CPU > 0 {
		s.CPU.RateReached = float64(t.Samples+t.Lost) / (float64(t.CPU) / 1e9)
	}
	r.checkRate()
	for _, d := range r.source.doubts() {
		r.deny(d)
	}
	s.Labels.Completed = st.Completed
	if st.Doubtful > 0 {
		r.deny(fmt.Sprintf("goroutine ids and labels of %d samples on a CPU: by the layout of %s their threads' g, m and curg contradict each "+
			"other", st.Doubtful, s.Target.GoVersion))
	}
}

func (r *recording) finishTable(t Tally) {
	now, s := r.table.Stats(), &r.summary
	st := now.Since(r.reported.table)
	r.reported.table = now
	if r.options.Mode == Wall {
		s.EngineWall = summary.GoroutineTable
	}
	s.Table.Rate, s.Table.Missed = st.Reached, st.Missed
	s.Table.Running, s.Host.Procs = t.TableCPU, st.Procs
	s.Table.Slowest, s.Table.Thread = st.Slowest.Nanoseconds(), st.CPU.Nanoseconds()
	s.Table.Lowest = st.Lowest
	if s.Table.First = -1; now.Complete > 0 { // of the whole stream, not of this slice
		s.Table.First = now.Complete - now.Begin
	}
	s.Coverage.Created, s.Coverage.Seen = st.Created, st.Seen
	s.Coverage.Idle = t.Idle
	if s.Coverage.Unwatched = now.Unwatched; now.Unwatched > 0 {
		r.deny(fmt.Sprintf("%d goroutines at a time, at most: about %d are watched", now.Unwatched, goroutine.MaxWatched))
	}
	if st.NoPeers != nil {
		r.deny("who goroutines wait for: " + st.NoPeers.Error())
	}
	s.Coverage.New, s.Coverage.Lives = st.New, st.Lives[:]
	for _, l := range st.Lives {
		s.Coverage.At100 += l.At100
	}
	s.GC.Mark = st.GC.Mark.Nanoseconds()
	s.GC.Stops, s.GC.StopTime, s.GC.StopMax = st.GC.Stopped.Count, st.GC.Stopped.Time.Nanoseconds(), st.GC.Stopped.Longest.Nanoseconds()
	s.GC.Others, s.GC.OtherTime, s.GC.OtherMax = st.GC.Others.Count, st.GC.Others.Time.Nanoseconds(), st.GC.Others.Longest.Nanoseconds()
	s.Table.Torn, s.Labels.Foreign = st.Torn, st.LabelsForeign
	if r.source == nil {
		s.EngineCPU = summary.GoroutineTable
		if now, err := r.target.CPU(); err == nil {
			s.CPU.Rusage, r.reported.clock = (now - r.reported.clock).Nanoseconds(), now
		}
	}
}

// describe fills in what belongs to the recording and not to its samples.
func (r *recording) describe(p *profile.Profile, start time.Time, length time.Duration) {
	p.TimeNanos, p.DurationNanos = start.UnixNano(), length.Nanoseconds()
	p.Period = int64(1e9 / r.options.Rate)
	if s := r.summary; s.CPU.Samples > 0 && s.CPU.RateReached > 0 {
		p.Period = int64(1e9 / s.CPU.RateReached)
	}
	r.summary.Labels.Repaired, r.summary.Host.Epoch = finish.Tidy(p), r.builder.epoch-r.offset
	p.Comments = r.summary.Comments()
}
