package profiler

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// A stream is a recording in slices. The sources run on, and every now and then a border is drawn
// in time: what they say of the time after it goes to another slice. They say it late, though: a
// stay of a goroutine is known when it ends, the weight of an on-CPU sample when the process's clock
// is read. So after a border two slices are open, the sources are asked for all they hold
// (Flush), and then the first is closed (fold.Slices). The slices add up to what Record
// would have returned. Late are: stays whose beginning is open at the flush, stacks that are put
// off while a large table is taken in, and in tables of more than 10,000 goroutines those that
// last (package goroutine, record.go).
//
// If emit takes longer than a slice, the next slice is longer: memory does not grow with what
// waits.

// The clocks of the target's children are read once a second, or more rarely where slices are long: it takes three reads a thread.
const (
	familyEvery = time.Second
	familyRare  = 5 * time.Second
)

// sliceEnd is the Summary's End of a slice that others follow.
const sliceEnd = "slice complete"

// stream runs the sources until ctx ends or the target is gone. With every 0 there is one slice.
func (r *recording) stream(ctx context.Context, every time.Duration, emit func(*Recording) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	cancel := func() { stop(nil) }
	defer cancel()
	s := slicer{recording: r, start: r.started, attached: r.summary, emit: emit}
	if s.start.IsZero() {
		if err := r.startSources(); err != nil {
			return err
		}
		s.start = time.Now()
	}
	if r.exact != nil {
		_, _, _ = r.exact.probes.Take() // from now on
	}
	s.mono = s.start.UnixNano() - r.slices.Last().Epoch()
	r.reported.clock, _ = r.target.CPU()
	if r.options.Started != nil {
		r.options.Started(r.begun())
	}
	if r.options.Share > 0 {
		r.govern = newGovernor(r, r.options.Share)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.sources(ctx) }()
	kin := proc.NewTicker(min(max(every/3, familyEvery), familyRare), 0)
	defer kin.Close()
	var due <-chan struct{}
	if every > 0 {
		t := proc.NewTicker(every, s.mono)
		defer t.Close()
		due = t.C
	}
	for {
		select {
		case err := <-ended:
			return s.last(ctx, s.observed(time.Since(s.start), err), err)
		case <-ctx.Done():
			to := time.Since(s.start) // the sources may hold much that is still to be resolved
			err := s.await(ended)
			return s.last(ctx, s.observed(to, err), err)
		case <-kin.C:
			r.family.Read()
			if r.full() {
				stop(errMemory)
			}
		case <-due:
			if ctx.Err() != nil {
				break // the sources have ended, or are about to: this slice is the last
			}
			if err := s.next(); err != nil {
				cancel()
				return s.broken(ctx, err, s.await(ended))
			}
		}
	}
}

// errMemory is why a timeline ends that has reached its limit.
var errMemory = errors.New("the memory limit was reached: a shorter time, or a higher limit")

func (r *recording) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.options.Keep.Timeline && r.slices.Last().Full()
}

// begun is what is known before the first sample.
func (r *recording) begun() Summary {
	s := r.summary
	s.EngineCPU, s.EngineWall = summary.GoroutineTable, summary.None
	if r.source != nil {
		s.EngineCPU = r.source.Name()
	}
	if r.table != nil && r.options.Mode == Wall {
		s.EngineWall = summary.GoroutineTable
	}
	return s
}

// slicer draws the borders of a recording.
type slicer struct {
	*recording
	start    time.Time
	mono     int64         // CLOCK_MONOTONIC at start, ns
	from     time.Duration // since start: where the open slice begins
	attached Summary       // what is known before the first sample
	emit     func(*Recording) error
}

// next draws a border and hands out the slice before it.
func (s *slicer) next() error {
	to := time.Since(s.start)
	s.mu.Lock()
	s.slices.Cut(s.mono + int64(to))
	s.mu.Unlock()
	blocked := s.flush()
	s.takeExact()
	s.mu.Lock()
	b := s.slices.Close()
	s.mu.Unlock()
	if blocked != nil {
		s.lack(blocked)
	}
	if err := s.emit(s.seal(b, to, sliceEnd)); err != nil {
		return err // who has had enough gets no more, whatever else there is to say
	}
	return blocked
}

// lack has this slice and those after it say, once, that a read does not return.
func (s *slicer) lack(blocked error) {
	if !slices.ContainsFunc(s.attached.Denied, func(d string) bool { return strings.HasPrefix(d, errBlocked.Error()) }) {
		s.attached.Denied = append(s.attached.Denied, blocked.Error()+": what comes after is missing")
	}
}

// broken ends a stream whose slice could not be handed out, or not be completed: then err is errBlocked, and what
// there is since is handed out.
func (s *slicer) broken(ctx context.Context, err, sources error) error {
	if !errors.Is(err, errBlocked) {
		return err
	}
	return s.last(ctx, time.Since(s.start), errors.Join(err, sources))
}

// observed is until when the sources read, since start, if they ended with err: to, or when the goroutine table was read
// last. That thread has real-time priority, and who finds out that it is time to end may have been late, or in emit.
func (s *slicer) observed(to time.Duration, err error) time.Duration {
	if s.table == nil || err != nil {
		return to
	}
	if end := time.Duration(s.table.Stats().End - s.mono); end > s.from {
		return min(to, end)
	}
	return to
}

// last hands out what is left when the sources have ended; they observed until to, since start.
func (s *slicer) last(ctx context.Context, to time.Duration, err error) error {
	s.takeExact()
	rec := s.seal(s.slices.Last(), to, ending(ctx, s.target, err))
	if execed(err) {
		err = nil // the recording ends there, and End says so
	}
	return errors.Join(err, s.emit(rec))
}

// EndExited is Summary.End of a recording that saw its target end.
const EndExited = "the target exited"

func ending(ctx context.Context, p *proc.Process, err error) string {
	switch {
	case execed(err):
		return endExec
	case err != nil:
		return err.Error()
	case errors.Is(context.Cause(ctx), errMemory):
		return errMemory.Error()
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded): // it may have ended since
		return "duration reached"
	case !p.Alive():
		return EndExited
	}
	return "interrupted"
}

// seal makes the recording of a slice that ends at to.
func (s *slicer) seal(b *fold.Builder, to time.Duration, end string) *Recording {
	s.mu.Lock()
	seen := s.reported.table.Seen
	s.summary = s.attached
	s.summary.Denied = slices.Clone(s.attached.Denied)
	s.finish(b, end)
	b.Freeze()
	if s.options.Host != nil { // of many recordings each would keep megabytes of tables, and the addresses of later slices are known
		s.symbols.Drop()
	}
	s.over = b == s.slices.Last()
	s.mu.Unlock()
	p := b.Profile()
	s.addArrivals(b, p)
	s.settle(p)
	s.applyExact(p)
	begin := s.start.Add(s.from)
	s.describe(p, begin, to-s.from)
	s.from = to
	return &Recording{Profile: p, Summary: s.summary, begin: begin, fresh: s.reported.table.Seen - seen}
}

// flush returns when the sources have emitted what they hold, or have ended, or are blocked.
func (r *recording) flush() error {
	var wg sync.WaitGroup
	if r.source != nil {
		wg.Go(r.source.Flush)
	}
	if r.table != nil {
		wg.Go(r.table.Flush)
	}
	for _, e := range r.events {
		wg.Go(e.source.Flush)
	}
	done := make(chan error, 1)
	go func() { wg.Wait(); done <- nil }()
	return r.within(done)
}

// await waits for the sources at the end of a recording. Those that do not end are left behind; one that is not blocked
// gets the time to hand over what it has.
func (s *slicer) await(ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-time.After(readPatience):
	}
	err := s.within(ended)
	if !errors.Is(err, errBlocked) {
		return err
	}
	s.left = ended
	s.lack(err)
	return nil
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
	r.slices.Add(s)
	if r.added++; r.added%progressEvery == 0 && r.options.Progress != nil {
		r.options.Progress(r.slices.Last().OnCPU())
	}
}

// sources runs the sources until ctx ends or the target is gone. If one fails the others go on.
func (r *recording) sources(ctx context.Context) error {
	var all []sample.Source
	if r.source != nil {
		all = append(all, r.source)
	}
	if r.table != nil {
		all = append(all, r.table)
	}
	for _, e := range r.events {
		all = append(all, e.source)
	}
	errs := make([]error, len(all))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	switch {
	case r.govern != nil:
		defer beside(ctx, r.govern.run)()
	case r.options.Budget != nil:
		defer r.options.Budget.admit(r)()
	}
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			if errs[i] = s.Run(ctx, r.add); execed(errs[i]) {
				cancel() // the same addresses may hold something in the next program, too
			}
		})
	}
	if r.calls != nil {
		wg.Go(func() { r.runCalls(ctx) })
	}
	if r.exact != nil {
		defer beside(ctx, r.runExact)()
	}
	if r.accepts != nil {
		defer beside(ctx, r.accepts.run)()
	}
	if r.arrivals != nil {
		defer beside(ctx, r.arrivals.run)()
	}
	wg.Wait()
	return errors.Join(errs...)
}
