package goroutine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
)

const (
	handOver = 20 * time.Millisecond // between two batches of events
	backlog  = 1 << 16               // events that are kept before sampling waits for who takes them
	weighing = 200 * time.Millisecond
	warmUp   = 2 * time.Second // at most, for which the budget is not enforced: at first all is new
)

// recorder runs the ticks of a scanner. Its events are handed over in batches: turning them into
// samples is another goroutine's work, and may wait.
type recorder struct {
	table *Table
	scan  *scanner
	full  chan batch
	free  chan []event

	rand    *rand.Rand
	nominal int64 // ns between ticks, as asked
	pushed  int64
	budget  budget
}

// record is the loop. The calling goroutine has its thread to itself.
func (r *recorder) record(ctx context.Context) error {
	s := r.scan
	seed := r.table.options.Seed
	if seed == 0 {
		seed = uint64(s.now())
	}
	r.rand = rand.New(rand.NewPCG(seed, seed))
	r.nominal = s.period
	s.stats.Asked = 1e9 / float64(r.nominal)
	s.stats.Lowest, s.stats.BackOff = s.stats.Asked, int(s.backOff)
	s.births, s.stops = s.readBirths(), s.readStops()
	s.stats.Procs = s.readProcs()
	s.stats.Begin = s.now()
	r.budget = newBudget(s.stats.Begin)
	err := r.ticks(ctx)
	if err == nil {
		err = r.last()
	}
	s.close()
	r.table.stats.Store(s.report())
	if len(s.out) > 0 {
		r.full <- batch{events: s.out}
	}
	return r.table.ending(err)
}

func (r *recorder) ticks(ctx context.Context) error {
	s := r.scan
	next := s.stats.Begin
	for {
		flush := r.table.flushes.Take()
		if err := r.step(flush != nil); err != nil {
			return err
		}
		s.stats.End = s.now()
		r.handOver(flush)
		r.weigh()
		next += s.period
		if late := s.stats.End - next; late >= 0 {
			missed := late/s.period + 1
			s.stats.Missed += missed
			next += missed * s.period
		}
		jitter := int64((r.rand.Float64() - 0.5) / 5 * float64(s.period))
		if !s.sleepUntil(ctx, next+jitter) {
			return nil
		}
	}
}

// last looks at everything once more, so that all stays reach to the end, and counts the births. What cannot be
// looked at in maxLast ends where it was seen last: the thread has real-time priority, and somebody waits.
func (r *recorder) last() error {
	s := r.scan
	full := s.o.Full
	s.o.Full, s.whole, s.last = true, true, true
	err := s.step()
	s.o.Full, s.whole, s.last = full, false, false // the table may be run again
	s.stats.End = s.now()
	s.countStops(s.stops)
	r.countBirths()
	return err
}

// countBirths counts the goroutines that were created since the recording began.
func (r *recorder) countBirths() {
	s := r.scan
	if now := s.readBirths(); now.next > 0 {
		s.stats.Created = max(int64(now.next-now.unused())-int64(s.births.next-s.births.unused()), 0)
	}
}

// handOver passes the events on, when there are enough, or it is time, or somebody waits for them.
func (r *recorder) handOver(flush chan struct{}) {
	s := r.scan
	if flush == nil && s.stats.End-r.pushed < int64(handOver) && len(s.out) < backlog {
		return
	}
	r.pushed = s.stats.End
	s.stats.CPU = threadCPU() - r.budget.begin
	r.table.stats.Store(s.report())
	b := batch{s.out, flush}
	if len(s.out) >= backlog || flush != nil {
		r.full <- b // no event is ever dropped: ticks are, and that is told
	} else {
		select {
		case r.full <- b:
		default:
			return
		}
	}
	select {
	case s.out = <-r.free:
	default:
		s.out = make([]event, 0, 1024)
	}
}

// budget keeps the sampling thread's share of a core below a limit, by its own CPU clock.
type budget struct {
	begin time.Duration // CPU time at the start
	cpu   time.Duration // at the last weighing
	at    int64
	until int64 // end of the warm-up
	idle  int64 // scanner.idle and Stats.Reads at the last weighing
	reads int64
	put   int64 // scanner.put at the last weighing
}

func newBudget(now int64) budget {
	cpu := threadCPU()
	return budget{begin: cpu, cpu: cpu, at: now, until: now + int64(warmUp)}
}

// weigh keeps the cost within the budget. Quiet goroutines lose nothing when they are looked at
// more rarely, so that comes first if they are what costs; then ticks become rarer. What was taken
// is given back in the other order.
func (r *recorder) weigh() {
	s, b := r.scan, &r.budget
	wall := s.stats.End - b.at
	if wall < int64(weighing) {
		return
	}
	cpu := threadCPU()
	spent := float64(cpu-b.cpu) / float64(wall) / r.table.limited()
	idle := 2*(s.idle-b.idle) > s.stats.Reads-b.reads
	b.cpu, b.at, b.idle, b.reads = cpu, s.stats.End, s.idle, s.stats.Reads
	first := s.put != b.put && b.at < b.until
	if b.put = s.put; first {
		return
	}
	switch {
	case spent > 1 && idle && s.backOff < mostQuiet:
		s.backOff *= 2
	case spent < 0.6 && s.period == r.nominal && s.backOff > s.o.backOff():
		s.backOff /= 2
	default:
		s.period = nextPeriod(s.period, r.nominal, spent)
	}
	s.stats.Lowest = min(s.stats.Lowest, 1e9/float64(s.period))
	s.stats.BackOff = max(s.stats.BackOff, int(s.backOff))
}

// nextPeriod is the time between ticks from now on, after ticks used spent times the budget.
// One bad measurement does not move it by more than a factor of two.
func nextPeriod(period, nominal int64, spent float64) int64 {
	const slowest = int64(time.Second)
	switch {
	case spent > 1:
		period = int64(float64(period) * min(spent, 2))
	case spent < 0.9 && period > nominal:
		period = int64(float64(period) * max(spent/0.95, 0.5))
	}
	return max(min(period, slowest), nominal)
}

// ending turns the end of the table into an error, or none when the target simply ended. The kernel
// may say that there is no such process, for a moment, when another program is executed.
func (t *Table) ending(err error) error {
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, errGone) && !errors.Is(err, proc.ErrNoProcess):
		return fmt.Errorf("goroutine table of process %d: %w", t.process.PID(), err)
	}
	if ended(t.process.Exited(), t.process.HasProgram) {
		return nil
	}
	return source.Executed(t.process.PID())
}

// longestExit is how long a process may take to end after it has lost its memory.
const longestExit = 10 * time.Second

// ended says whether a process whose memory is gone has exited, and not executed another program. One that exits loses its
// memory first, and without a CPU the rest can take long; one that executed another program has one again.
func ended(exited <-chan struct{}, hasProgram func() bool) bool {
	for limit := time.Now().Add(longestExit); time.Now().Before(limit); {
		select {
		case <-exited:
			return true
		case <-time.After(100 * time.Millisecond):
		}
		if hasProgram() {
			return false
		}
	}
	return false
}
