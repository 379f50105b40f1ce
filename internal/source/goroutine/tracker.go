package goroutine

import (
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A goroutine is read now and then; what it does in between has to be guessed, without
// favouring anything. As long as its key is the same it has not run, and the whole time counts, exactly.
// When a tick finds something else than the one before, the change was somewhere between the two:
// the border is drawn in the middle. With ticks at regular distances an interval of length L is then
// found with probability L/distance (1 if it is longer) and gets L on average.
//
// Not so where a quiet chunk was left alone for D and the ticks that follow are close together:
// a short interval found there would get D/2 and a bit, with probability L/D, half of what it should
// get. So its beginning is left open until it ends. If it ends within D, it is given D; a longer
// one gets D/2, as above. The interval before is held back meanwhile.

// tracker makes intervals of what is seen of goroutines, slot by slot. It reads nothing.
type tracker struct {
	clock  *clock
	stats  *Stats
	split  bool  // every interval is asked for, and not merged with an equal one
	rare   bool  // those that last are emitted every flushRare
	stride int32 // of chunks' images
	births births
	lives  lives
	holds  holds
	out    []event
}

// begin begins a tick.
func (t *tracker) begin() { t.lives.mark(t.clock.began, t.clock.tick) }

// observe enters into a slot what a tick found.
func (t *tracker) observe(j *job) {
	sl := j.s
	gap := j.at - sl.read
	if sl.read == 0 {
		gap = 0
	}
	if sl.alive && sl.key.goid != j.key.goid {
		t.end(sl, j.at)
	}
	j.seen.to, j.seen.lost = j.at, j.pending
	switch {
	case !sl.alive:
		t.start(sl, j, gap)
	case sl.completedBy(j):
		t.fill(sl, j)
	case sl.now.same(&j.seen) && (j.same || !t.split):
		sl.now.to = j.at
	default:
		t.turn(sl, j, gap)
	}
	if sl.alive && !j.same {
		t.stats.Runs += int64(j.key.seq - sl.key.seq) // modulo 256
	}
	if !j.pending {
		t.holds.enter(sl, j, gap)
	}
	sl.alive, sl.key, sl.labels, sl.read, sl.tick = true, j.key, j.labels, j.at, t.clock.tick
	sl.stable = j.stable && !j.pending
	if !j.pending {
		sl.set, sl.setFrom, sl.setGoid = j.seen.set, j.labels, j.key.goid
	}
}

// completedBy says whether a job is only what was pending for the current interval.
func (sl *slot) completedBy(j *job) bool {
	if !j.same || sl.labels != j.labels || sl.now.state != j.seen.state || sl.now.tid != j.seen.tid {
		return false
	}
	return sl.now.loss == sample.Unwalked && j.seen.loss != sample.Unwalked || sl.now.lost && !j.seen.lost || sl.now.set == nil &&
		j.seen.set != nil || sl.now.on == nil && j.seen.on != nil
}

// fill adds the stack, or the labels, that could not be had at first.
func (t *tracker) fill(sl *slot, j *job) {
	from := sl.now.from
	sl.now = j.seen
	sl.now.from = from
}

// start starts the first interval of a goroutine.
func (t *tracker) start(sl *slot, j *job, gap int64) {
	sl.alive = true
	sl.now = j.seen
	sl.now.from = j.at - gap/2
	sl.birth, sl.born = sl.now.from, t.clock.tick
	if gap > 2*t.clock.period {
		sl.gap, sl.hit = gap, j.at
	}
	sl.key.seq = j.key.seq
	sl.fresh, sl.vague = t.births.fresh(j.key.goid), gap > 2*t.clock.period
	t.lives.seen(sl.fresh)
}

// turn ends an interval and starts another of the same goroutine.
func (t *tracker) turn(sl *slot, j *job, gap int64) {
	border := j.at - gap/2
	t.resolve(sl, border)
	old := sl.now
	old.to = border
	sl.now = j.seen
	sl.now.from = border
	if gap > 2*t.clock.period {
		before := old
		sl.gap, sl.hit, sl.prev = gap, j.at, &before
		return
	}
	t.emit(&old)
}

// resolve decides when the current interval began, now that it ended, or is known to last.
func (t *tracker) resolve(sl *slot, end int64) {
	if sl.gap == 0 {
		return
	}
	from := sl.hit - sl.gap/2
	if end-sl.hit < sl.gap {
		from = max(end-sl.gap, sl.hit-sl.gap)
	}
	if sl.now.from == sl.birth {
		sl.birth = from
	}
	sl.now.from = from
	if sl.prev != nil {
		sl.prev.to = max(from, sl.prev.from)
		t.emit(sl.prev)
	}
	sl.gap, sl.prev = 0, nil
}

// end enters the death of a goroutine, which was noticed at a tick.
func (t *tracker) end(sl *slot, at int64) {
	last := sl.read + (at-sl.read)/2
	t.resolve(sl, last)
	sl.now.to = last
	t.emit(&sl.now)
	t.holds.over(sl, last)
	t.lives.over(sl, last-sl.birth)
	sl.alive, sl.stable = false, false
	sl.now, sl.set, sl.setFrom = interval{}, nil, 0
}

// flush emits what is known of the intervals in a chunk, so that nobody waits for those that last,
// in a table of n entries.
func (t *tracker) flush(c *chunk, at int64, n int) {
	for i := range c.slots {
		sl := &c.slots[i]
		sl.catchUp(&c.windows[sl.window(t.stride)])
		if !sl.alive || sl.gap > 0 && sl.now.to-sl.hit < sl.gap || sl.now.late {
			continue
		}
		t.resolve(sl, sl.now.to)
		t.emit(&sl.now)
		sl.now.from = sl.now.to
	}
	every := flushEvery
	if t.rare && n <= flushMost {
		every = flushRare
	}
	c.flush = at + max(int64(every), int64(n)*int64(flushEach))
}

const (
	flushEvery = time.Second            // an interval that lasts is emitted once in this time,
	flushEach  = 100 * time.Microsecond // or less often, for at most 10,000 a second in all,
	flushRare  = 5 * time.Second        // and where scans are few: to turn it into a sample costs as much as to read it in ten of those
)

// emit hands on what has a length.
func (t *tracker) emit(i *interval) {
	if i.to > i.from {
		t.out = append(t.out, event(*i))
		t.stats.Samples++
	}
}

// tell enters into the stats what is only known by looking at all goroutines.
func (t *tracker) tell(chunks []*chunk) {
	t.stats.Lifetimes, t.stats.Kept = t.holds.report(chunks), t.holds.kept(chunks, t.stats.Begin)
}

// close ends the recording: everything that was seen is emitted.
func (t *tracker) close(chunks []*chunk) {
	living(chunks, func(c *chunk, sl *slot) {
		sl.catchUp(&c.windows[sl.window(t.stride)])
		t.resolve(sl, sl.now.to)
		t.emit(&sl.now)
		sl.now.from = sl.now.to
	})
	t.tell(chunks)
	living(chunks, func(_ *chunk, sl *slot) { t.lives.over(sl, sl.now.to-sl.birth) })
}
