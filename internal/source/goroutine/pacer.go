package goroutine

import (
	"math"
	"slices"
	"time"
)

const (
	groupJobs = 32                     // changed goroutines with which fewer chunks are read together
	mostQuiet = 128                    // ticks between two readings of a quiet chunk before the budget makes ticks rarer
	hotTime   = int64(2 * time.Second) // for which a chunk is hot after a birth or death
	maxTick   = 20 * time.Millisecond  // what is not read by then waits for the next tick
	maxLast   = 500 * time.Millisecond // the same for the last one, after which nothing comes
	weighing  = 200 * time.Millisecond
	warmUp    = 2 * time.Second // at most, for which the budget is not enforced: at first all is new
)

// mode is what a tick is for.
type mode struct {
	full bool // all chunks, also those that have long been quiet
	all  bool // it takes all the time that it needs
	last bool // after it nothing comes
}

// pacer decides when which chunks are read, and keeps the cost within the budget. It reads nothing.
type pacer struct {
	clock   *clock
	stats   *Stats
	quiet   uint32 // ticks between two readings of a quiet chunk at most, while the budget allows more often,
	backOff uint32 // and now
	nominal int64  // ns between ticks, as asked
	group   int    // how many chunks are read together now
	next    int    // chunk to go on with
	due     []*chunk
	idle    int64 // readings of chunks that are backed off that far
	until   int64 // when this tick's chunks that were read before have had their time,
	cold    int64 // and the others
	budget  budget
}

func newPacer(c *clock, st *Stats, o Options) *pacer {
	if o.Rate > 0 {
		c.period = int64(time.Second) / int64(o.Rate)
	}
	return &pacer{clock: c, stats: st, quiet: o.backOff(), backOff: o.backOff(), nominal: c.period, group: groupSize}
}

// begun says what was asked, and what came of it so far.
func (p *pacer) begun() {
	p.nominal = p.clock.period
	p.stats.Asked = 1e9 / float64(p.nominal)
	p.stats.Lowest, p.stats.BackOff = p.stats.Asked, int(p.backOff)
}

// begin sets how long this tick may last.
func (p *pacer) begin(m mode) {
	longest := maxTick
	if m.last {
		longest = maxLast
	}
	p.until = p.clock.began + int64(longest)
	p.cold = p.until + int64(maxTick/2)
	if m.all && !m.last {
		p.until, p.cold = math.MaxInt64, math.MaxInt64
	}
}

// chosen returns the chunks whose turn it is, of those that were read before: where goroutines come
// and go is to be read often even while a large table is still being read for the first time.
func (p *pacer) chosen(chunks []*chunk, full bool) []*chunk {
	p.due = p.due[:0]
	first, n := p.next, len(chunks)
	for i := range n {
		if c := chunks[(first+i)%n]; c.known && (c.due <= p.clock.tick && !c.asleep || full) {
			p.due = append(p.due, c)
		}
	}
	p.next = 0
	return p.due
}

// postpone begins the next tick with the first of the chunks that this one has no time for.
func (p *pacer) postpone(left, chunks []*chunk) {
	if len(left) > 0 {
		p.next = slices.Index(chunks, left[0])
	}
}

// unknown returns the chunks that were never read, the newest first: the oldest goroutines are those that remain.
func (p *pacer) unknown(chunks []*chunk) []*chunk {
	p.due = p.due[:0]
	for i := len(chunks) - 1; i >= 0; i-- {
		if c := chunks[i]; !c.known {
			p.due = append(p.due, c)
		}
	}
	return p.due
}

// regroup decides how many chunks are read together from now on, after a group with that many jobs: the more
// goroutines run, the more run again before their stacks are read.
func (p *pacer) regroup(jobs int) {
	switch {
	case jobs > groupJobs:
		p.group = max(p.group/2, 1)
	case jobs < groupJobs/4:
		p.group = min(2*p.group, groupSize)
	}
}

// change is what was found in a slot, for when to read it again.
type change uint8

const (
	none   change = iota
	some          // something changed, or is about to
	freed         // here is a free slot that nobody knew of: who knows when it was used last
	reused        // a goroutine died here, or was born
)

// schedule decides when to read a chunk again. One in which nothing happened is left alone for
// 2, 4, .. 32 ticks (4 in a timeline, more on a tight budget), which costs no accuracy for those who remain as
// they are. One where goroutines were born or died lately is read every time, because that is where the
// next will be born: the runtime reuses its dead g's last in, first out. The readings of quiet chunks
// are spread over the ticks.
func (p *pacer) schedule(c *chunk, found change, at int64) {
	switch found {
	case reused:
		c.hot = at + hotTime
	case freed:
		c.hot = max(c.hot, at+hotTime/10)
	}
	switch {
	case found == some || at < c.hot:
		c.period = 1
	case c.period < p.backOff:
		c.period *= 2
	default:
		c.period = p.backOff
		p.idle++
	}
	// The first of the ticks of this period's grid that comes after now; the address decides the
	// grid's phase.
	phase := uint32(c.windows[0].lo >> windowBits)
	c.due = p.clock.tick + c.period - (p.clock.tick+phase)%c.period
}

// budget is the CPU time of the sampling thread, by its own clock, and what it did with it.
type budget struct {
	begin time.Duration // CPU time at the start
	cpu   time.Duration // at the last weighing
	at    int64
	until int64 // end of the warm-up
	idle  int64 // pacer.idle and Stats.Reads at the last weighing
	reads int64
	put   int64 // stacks put off until the last weighing
}

func newBudget(now int64, cpu time.Duration) budget {
	return budget{begin: cpu, cpu: cpu, at: now, until: now + int64(warmUp)}
}

// pending says whether it is time to weigh.
func (b *budget) pending(now int64) bool { return now-b.at >= int64(weighing) }

// weigh keeps the cost within a share of a core. Quiet goroutines lose nothing when they are read
// more rarely, so that comes first if they are what costs; then ticks become rarer. What was taken
// is given back in the other order. cpu is the thread's, put is how many stacks were put off so far.
func (p *pacer) weigh(share float64, cpu time.Duration, put int64) {
	b := &p.budget
	spent := float64(cpu-b.cpu) / float64(p.stats.End-b.at) / share
	idle := 2*(p.idle-b.idle) > p.stats.Reads-b.reads
	b.cpu, b.at, b.idle, b.reads = cpu, p.stats.End, p.idle, p.stats.Reads
	first := put != b.put && b.at < b.until
	if b.put = put; first {
		return
	}
	switch {
	case spent > 1 && idle && p.backOff < mostQuiet:
		p.backOff *= 2
	case spent < 0.6 && p.clock.period == p.nominal && p.backOff > p.quiet:
		p.backOff /= 2
	default:
		p.clock.period = nextPeriod(p.clock.period, p.nominal, spent)
	}
	p.stats.Lowest = min(p.stats.Lowest, 1e9/float64(p.clock.period))
	p.stats.BackOff = max(p.stats.BackOff, int(p.backOff))
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
