package profiler

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// finish fills in what is known once all samples of a builder have come.
func (r *recording) finish(b *fold.Builder, end string) {
	t, s := b.Tally(), &r.summary
	s.Version, s.EngineCPU, s.EngineWall = r.options.Version, summary.None, summary.None
	s.RateAsked, s.Host.CPUs = r.options.Rate, r.cpus
	s.CPU.Samples, s.CPU.Lost = t.Samples, t.Lost
	s.CPU.Profiled, s.Table.Wall = t.CPU, t.Wall
	s.Labels.Gone, s.Labels.GoneTime, s.Labels.Truncated = t.LabelsLost, t.LabelsLostTime, t.LabelsCut
	s.Labels.Renamed = t.Renamed
	for _, lost := range b.Remarks() {
		r.deny(lost)
	}
	if r.source != nil {
		r.finishCPU(t)
	}
	if r.table != nil {
		r.finishTable(t)
	}
	s.Labels.Traps = r.traps(&t, &r.reported.table)
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
	r.finishEvents()
	r.finishArrivals()
	if r.accepts != nil {
		s.Accepts.Queues = r.accepts.take()
	}
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

func (r *recording) finishCPU(t fold.Tally) {
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

func (r *recording) finishTable(t fold.Tally) {
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
	s.Coverage.New, s.Coverage.Lives, s.Coverage.Lifetimes = st.New, st.Lives[:], lifetimes(&now)
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
	r.summary.Labels.Repaired, r.summary.Host.Epoch = fold.Tidy(p), r.slices.Last().Epoch()-r.offset
	p.Comments = r.summary.Comments()
}

// finishFamily tells what the target's children have used in a slice.
func (r *recording) finishFamily() {
	r.family.Read()
	all := r.family.CPU()
	r.summary.Children.CPUTime, r.reported.children = (all - r.reported.children).Nanoseconds(), all
	r.summary.Children.Running = r.family.Names()
}

// lifetimes are those of the table, with the goroutines that it has not seen: they were created, and ended before it came by.
func lifetimes(now *goroutine.Stats) []sample.Lifetimes {
	rows := slices.Clone(now.Lifetimes)
	if len(rows) > 0 {
		rows[0].Unseen = max(now.Created-now.New, 0)
		rows[0].Estimate()
	}
	return rows
}
