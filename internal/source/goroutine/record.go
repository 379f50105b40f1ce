package goroutine

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Intervals are emitted when they end, and about once a second while they last, or once in five where scans are few. Who wants all that is
// known up to a moment asks for it: a tick reads all goroutines, so that every interval reaches at
// least to that moment, and all intervals are emitted up to there. What remains is little: the
// stacks that are put off while a large table is taken in, and intervals whose beginning is still open
// (tracker.go); they follow, whole, when they are decided.
//
// In a table of more than flushMost goroutines that would be too much at once. There a flush hands
// over what has been emitted, and an interval that lasts comes as late as it always does.

const (
	flushMost = int(flushEvery / flushEach)
	handOver  = 20 * time.Millisecond // between two batches of events,
	handRare  = 2 * time.Second       // where scans are few: whoever takes them has to be woken,
	handMost  = 1 << 10               // if there are no more than that
	statEvery = time.Second           // between two Stats, at most
	leftOut   = 5 * time.Second       // for which ticks are left out, at most
	backlog   = 1 << 16               // events that are kept before sampling waits for who takes them

	longTick = 100 * time.Millisecond // for which others do not wait, on a machine on which a thread may have to wait for a CPU,
	longCPU  = 2 * time.Millisecond   // and of which that much is CPU time
)

// batch is events that go from the sampling thread to Run.
type batch struct {
	events []event
	flush  chan struct{} // to be closed when they have been emitted; nil if nobody waits
}

// recorder runs the ticks of a scanner. Its events are handed over in batches: turning them into
// samples is another goroutine's work, and may wait.
type recorder struct {
	table *Table
	scan  *scanner
	full  chan batch
	free  chan []event

	rand     *rand.Rand
	pushed   int64
	reported int64         // when the Stats were
	every    time.Duration // handOver or handRare,
	most     int           // or with so many events
	few      bool          // scans, of which any thread does one: see await
	alarm    *proc.Alarm   // of those,
	rang     chan struct{} // which says that it is time for one that it does not do itself, or that one failed,
	used     time.Duration // and their CPU time
	turn     sync.Mutex    // of who has the scanner, where it is the alarm's goroutine while the other one waits
	idle     bool          // it does
	long     bool          // the last tick lasted longer than others are to wait for
	failed   error         // one of the alarm's goroutine did
	next     int64         // when the next tick is due, where scans are not few
	stops    stops         // when the recording began
}

// Run samples until ctx ends or the target is gone. It returns source.ErrExec when the target has become
// another program. The samples of Options' zero value are merged: one stands for the whole time
// that its goroutine spent in one place, at most about a second of it. emit is called from the
// calling goroutine, some ten milliseconds after the fact. When it has returned it may be called again.
func (t *Table) Run(ctx context.Context, emit func(*sample.Sample)) error {
	defer t.flushes.End()
	r := &recorder{table: t, scan: t.scan, full: make(chan batch, 2), free: make(chan []event, 3)}
	failed := make(chan error, 1)
	go func() { failed <- r.sample(ctx) }()
	var sm sample.Sample
	for b := range r.full {
		for i := range b.events {
			b.events[i].sample(&sm, t.scan.state.names)
			emit(&sm)
		}
		if b.flush != nil {
			close(b.flush)
		}
		clear(b.events)
		select {
		case r.free <- b.events[:0]:
		default:
		}
	}
	return <-failed
}

// sampling is how many threads of this process sample a table.
var sampling atomic.Int32

// sample runs the recording on a thread of its own, which ends with the calling goroutine. Few scans do not need one.
func (r *recorder) sample(ctx context.Context) (err error) {
	defer close(r.full)
	r.every, r.most = handOver, backlog
	if r.few = r.scan.clock.period >= int64(time.Second)/source.FewScans; r.few {
		r.every, r.most, r.scan.track.rare = handRare, handMost, true
		r.rang = make(chan struct{}, 1)
		r.alarm = proc.NewAlarm(r.ring)
		defer r.alarm.Close()
		return r.record(ctx)
	}
	runtime.LockOSThread() // for good: nobody is to inherit the priority
	defer sampling.Add(-1)
	sampling.Add(1)
	if r.scan.stats.RealTime, err = realTime(); err != nil {
		return err
	}
	return r.record(ctx)
}

// record is the loop. The calling goroutine has its thread to itself, unless scans are few.
func (r *recorder) record(ctx context.Context) error {
	s := r.scan
	seed := r.table.options.Seed
	if seed == 0 {
		seed = uint64(s.clock.now())
	}
	r.rand = rand.New(rand.NewPCG(seed, seed))
	r.begin()
	err := r.ticks(ctx)
	s.makeUp()
	if err == nil {
		err = r.last()
	}
	s.close()
	r.table.stats.Store(s.report())
	if len(s.track.out) > 0 {
		r.full <- batch{events: s.track.out}
	}
	return r.table.ending(err)
}

// begin reads what is counted from the beginning.
func (r *recorder) begin() {
	s := r.scan
	s.pace.begun()
	s.track.births, r.stops = s.mem.readBirths(), s.mem.readStops()
	s.stats.Procs = s.mem.readProcs()
	s.stats.Begin = s.clock.now()
	s.pace.budget = newBudget(s.stats.Begin, r.cpu())
}

func (r *recorder) ticks(ctx context.Context) error {
	r.next = r.scan.stats.Begin
	for {
		at, err := r.once(r.table.flushes.Take())
		if err != nil || !r.await(ctx, at) {
			return err
		}
		if r.failed != nil {
			return r.failed
		}
	}
}

// once is one tick, with a flush if there is one to do, and all that comes with it. It returns when the next one is due.
func (r *recorder) once(flush chan struct{}) (at int64, err error) {
	s := r.scan
	r.next += int64(s.makeUp()) * s.clock.period
	if err := r.measured(func() error { return r.tick(flush != nil) }); err != nil {
		return 0, err
	}
	s.stats.End = s.clock.now()
	r.handOver(flush)
	if s.pace.budget.pending(s.stats.End) {
		s.pace.weigh(r.table.limited(), r.cpu(), s.stacks.put)
	}
	period := s.clock.period
	r.next += period
	if late := s.stats.End - r.next; late >= 0 {
		missed := late/period + 1
		s.stats.Missed += missed
		r.next += missed * period
	}
	if r.few {
		return r.common(s.clock.began), nil
	}
	return r.next + int64((r.rand.Float64()-0.5)/5*float64(period)), nil
}

// phase has the few scans of this process at other times than those of another one.
var phase = rand.Uint64()

// common is the next time after now at which tables are scanned that have this period: the same for all, with the same jitter. Twenty
// that wake by themselves have the process woken twenty times as often, which costs more than the scans do. One that the budget slows down
// leaves some of these times out.
func common(now, period int64) int64 {
	for n := now / period; ; n++ {
		var p rand.PCG
		p.Seed(phase, uint64(n))
		at := n*period + int64(p.Uint64()%uint64(period/5+1)) - period/10
		if at > now {
			return at
		}
	}
}

// await waits until the next tick. Where scans are few there is no thread that sleeps until then: twenty that sleep in the kernel cost more
// than their scans do, above all since the runtime's monitor interrupts each of them every 10 ms to have its P back.
func (r *recorder) await(ctx context.Context, at int64) bool {
	if !r.few {
		return r.scan.clock.sleepUntil(ctx, at)
	}
	r.turn.Lock()
	r.idle = true
	r.alarm.Set(at, at)
	r.turn.Unlock()
	select {
	case <-r.rang:
		return true
	case <-ctx.Done():
		r.turn.Lock()
		defer r.turn.Unlock()
		r.idle = false
		return false
	}
}

// ring is for when it is time for a tick, and does it, or leaves it out where there is nothing to do: to wake a goroutine for it costs more
// than most ticks do. That is for what others may have to wait for: a flush, a tick that lasts, events that nobody has taken.
func (r *recorder) ring() {
	r.turn.Lock()
	defer r.turn.Unlock()
	if !r.idle {
		return
	}
	s := r.scan
	var at int64
	switch flush := r.table.flushes.Waiting(); {
	case !flush && s.clock.now()-s.stats.End < int64(leftOut) && s.leaveOut():
		at = r.common(s.sleep.at)
	case !flush && !r.long && len(s.track.out) < backlog/2:
		at, r.failed = r.once(nil)
	}
	if at != 0 {
		r.alarm.Set(at, at)
		return
	}
	r.idle = false
	r.rang <- struct{}{}
}

// common is the time of the tick after one that began at a moment, where scans are few.
func (r *recorder) common(began int64) int64 {
	s := r.scan
	return common(max(s.clock.now(), began+s.clock.period-s.pace.nominal/2), s.pace.nominal)
}

// measured calls f, on one thread, whose CPU time is that of the scans where they have no thread.
func (r *recorder) measured(f func() error) error {
	if !r.few {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began, before := r.scan.clock.now(), threadCPU()
	err := f()
	took := threadCPU() - before
	r.used += took
	r.long = took > longCPU || r.scan.clock.now()-began > int64(longTick)
	return err
}

// cpu is the CPU time of scans so far.
func (r *recorder) cpu() time.Duration {
	if r.few {
		return r.used
	}
	return threadCPU()
}

// tick is one tick, with a flush if there is one to do.
func (r *recorder) tick(flush bool) error {
	s := r.scan
	if !flush {
		return s.tick(mode{})
	}
	r.countStops()
	r.countBirths()
	if s.mem.n > flushMost {
		return s.tick(mode{})
	}
	err := s.tick(mode{full: true})
	for _, c := range s.mem.chunks {
		s.track.flush(c, s.clock.now(), s.mem.n)
	}
	s.track.tell(s.mem.chunks)
	return err
}

// last reads everything once more, so that all intervals reach to the end, and counts the births. What cannot be
// read in maxLast ends where it was seen last: the thread has real-time priority, and somebody waits.
func (r *recorder) last() error {
	s := r.scan
	err := s.tick(mode{full: true, all: true, last: true})
	s.stats.End = s.clock.now()
	r.countStops()
	r.countBirths()
	return err
}

// countStops counts the stops of the world since the recording began.
func (r *recorder) countStops() {
	gc := &r.scan.stats.GC
	gc.Stopped, gc.Others = r.scan.mem.readStops().since(r.stops)
}

// countBirths counts the goroutines that were created since the recording began.
func (r *recorder) countBirths() {
	then := &r.scan.track.births
	if now := r.scan.mem.readBirths(); now.next > 0 {
		r.scan.stats.Created = max(int64(now.next-now.unused())-int64(then.next-then.unused()), 0)
	}
}

// handOver passes the events on, when there are enough, or it is time, or somebody waits for them.
func (r *recorder) handOver(flush chan struct{}) {
	s, out := r.scan, r.scan.track.out
	due := flush != nil || s.stats.End-r.pushed >= int64(r.every) || len(out) >= r.most
	if due || s.stats.End-r.reported >= int64(statEvery) {
		r.reported = s.stats.End
		s.stats.CPU = r.cpu() - s.pace.budget.begin
		r.table.stats.Store(s.report())
	}
	if !due {
		return
	}
	if r.pushed = s.stats.End; flush == nil && len(out) == 0 {
		return
	}
	b := batch{out, flush}
	if len(out) >= backlog || flush != nil {
		r.full <- b // no event is ever dropped: ticks are, and that is counted
	} else {
		select {
		case r.full <- b:
		default:
			return
		}
	}
	select {
	case s.track.out = <-r.free:
	default:
		s.track.out = make([]event, 0, 1024)
	}
}
