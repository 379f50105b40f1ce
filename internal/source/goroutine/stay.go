package goroutine

import (
	"cmp"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A goroutine is looked at now and then; what it does in between has to be guessed, without
// favouring anything. As long as its key stays it has not run, and the whole time counts, exactly.
// When a look finds something else than the look before, the change was somewhere between the two:
// the border is drawn in the middle. With looks at regular distances a stay of length L is then
// found with probability L/distance (1 if it is longer) and gets L on average.
//
// Not so where a quiet chunk was left alone for D and the looks that follow are close together:
// a short stay found there would get D/2 and a bit, with probability L/D, half of what it should
// get. So its beginning is left open until it ends. If it ends within D, it is given D; a longer
// one gets D/2, as above. The stay before is held back meanwhile.

// event is a stay that is over, or a part of one.
type event stay

// sample fills in the sample that an event stands for.
func (e *event) sample(sm *sample.Sample, s *scanner) {
	*sm = sample.Sample{Time: e.to, Weight: e.to - e.from, TID: e.tid, Goid: e.goid, Parent: e.parent, State: s.states[e.state], Loss: e.loss}
	if e.stack != nil {
		sm.Curg = e.stack.pcs
	}
	sm.Call = e.call
	if e.peer != nil {
		sm.Peer = e.peer.String()
	}
	if e.on != nil {
		sm.WaitOn = e.on.String()
	}
	if e.set != nil {
		sm.Labels, sm.LabelsTruncated = e.set.Labels, e.set.Truncated
	}
	sm.LabelsLost = e.lost
}

// observe enters into a slot what a look found.
func (s *scanner) observe(j *job) {
	sl := j.s
	gap := j.at - sl.read
	if sl.read == 0 {
		gap = 0
	}
	if sl.alive && sl.key.goid != j.key.goid {
		s.end(sl, j.at)
	}
	j.seen.to, j.seen.lost = j.at, j.owed
	switch {
	case !sl.alive:
		s.begin(sl, j, gap)
	case sl.completedBy(j):
		s.fill(sl, j)
	case sl.now.same(&j.seen) && (j.same || !s.o.Split):
		sl.now.to = j.at
	default:
		s.turn(sl, j, gap)
	}
	if sl.alive && !j.same {
		s.stats.Runs += int64(j.key.seq - sl.key.seq) // modulo 256
	}
	sl.alive, sl.key, sl.labels, sl.read, sl.tick = true, j.key, j.labels, j.at, s.tick
	sl.steady = j.steady && !j.owed
	if !j.owed {
		sl.set, sl.setFrom, sl.setGoid = j.seen.set, j.labels, j.key.goid
	}
}

// completedBy says whether a job is only what was owed to the current stay.
func (sl *slot) completedBy(j *job) bool {
	if !j.same || sl.labels != j.labels || sl.now.state != j.seen.state || sl.now.tid != j.seen.tid {
		return false
	}
	return sl.now.loss == sample.Unwalked && j.seen.loss != sample.Unwalked || sl.now.lost && !j.seen.lost || sl.now.set == nil &&
		j.seen.set != nil || sl.now.on == nil && j.seen.on != nil
}

// fill adds the stack, or the labels, that could not be had at the first look.
func (s *scanner) fill(sl *slot, j *job) {
	from := sl.now.from
	sl.now = j.seen
	sl.now.from = from
}

// begin starts the first stay of a goroutine.
func (s *scanner) begin(sl *slot, j *job, gap int64) {
	sl.alive = true
	sl.now = j.seen
	sl.now.from = j.at - gap/2
	sl.birth, sl.born = sl.now.from, s.tick
	if gap > 2*s.period {
		sl.gap, sl.hit = gap, j.at
	}
	sl.key.seq = j.key.seq
	sl.fresh = s.births.fresh(j.key.goid)
	s.lives.seen(sl.fresh)
}

// turn ends a stay and starts another of the same goroutine.
func (s *scanner) turn(sl *slot, j *job, gap int64) {
	border := j.at - gap/2
	s.resolve(sl, border)
	old := sl.now
	old.to = border
	sl.now = j.seen
	sl.now.from = border
	if gap > 2*s.period {
		held := old
		sl.gap, sl.hit, sl.prev = gap, j.at, &held
		return
	}
	s.emit(&old)
}

// resolve decides when the current stay began, now that it ended, or is known to last.
func (s *scanner) resolve(sl *slot, end int64) {
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
		s.emit(sl.prev)
	}
	sl.gap, sl.prev = 0, nil
}

// end enters the death of a goroutine, which was noticed at a look.
func (s *scanner) end(sl *slot, at int64) {
	last := sl.read + (at-sl.read)/2
	s.resolve(sl, last)
	sl.now.to = last
	s.emit(&sl.now)
	s.lives.over(sl, last-sl.birth)
	sl.alive, sl.steady = false, false
	sl.now, sl.set, sl.setFrom = stay{}, nil, 0
}

// flush emits what is known of the stays in a chunk, so that nobody waits for those that last.
func (s *scanner) flush(c *chunk, at int64) {
	stride := int32(s.stride())
	for i := range c.slots {
		sl := &c.slots[i]
		sl.catchUp(&c.windows[sl.window(stride)])
		if !sl.alive || sl.gap > 0 && sl.now.to-sl.hit < sl.gap || sl.now.late {
			continue
		}
		s.resolve(sl, sl.now.to)
		s.emit(&sl.now)
		sl.now.from = sl.now.to
	}
	c.flush = at + max(int64(flushEvery), int64(s.n)*int64(flushEach))
}

const (
	flushEvery = time.Second            // a stay that lasts is emitted once in this time,
	flushEach  = 100 * time.Microsecond // or less often, for at most 10,000 a second in all
)

// emit hands on what has a length.
func (s *scanner) emit(st *stay) {
	if st.to > st.from {
		s.out = append(s.out, event(*st))
		s.stats.Samples++
	}
}

// close ends the recording: everything that was seen is emitted.
func (s *scanner) close() {
	s.finish()
	stride := int32(s.stride())
	for _, c := range s.chunks {
		for i := range c.slots {
			sl := &c.slots[i]
			sl.catchUp(&c.windows[sl.window(stride)])
			if !sl.alive {
				continue
			}
			s.resolve(sl, sl.now.to)
			s.emit(&sl.now)
			sl.now.from = sl.now.to
			s.lives.over(sl, sl.now.to-sl.birth)
		}
	}
}

// lives counts goroutines by the time that they were seen to live, and what a profiler at 100 Hz
// would have seen of the same: it would have looked at every tick that is the first in its hundredth
// of a second.
type lives struct {
	stats   *Stats
	marks   [256]uint32 // the last ticks of the 100 Hz profiler, in a ring
	n       int
	nextDue int64
}

const decimal = int64(10 * time.Millisecond)

// mark notes whether the 100 Hz profiler looks at this tick too.
func (l *lives) mark(at int64, tick uint32) {
	if at < l.nextDue {
		return
	}
	l.marks[l.n%len(l.marks)] = tick
	l.n++
	l.nextDue = cmp.Or(l.nextDue, at)
	l.nextDue += decimal * (1 + (at-l.nextDue)/decimal)
}

func (l *lives) seen(fresh bool) {
	l.stats.Seen++
	if fresh {
		l.stats.New++
	}
}

// over counts a goroutine that ended, or that was alive when the recording did.
func (l *lives) over(sl *slot, life int64) {
	if !sl.fresh {
		return
	}
	sl.fresh = false
	b := &l.stats.Lives[bucket(time.Duration(life))]
	b.Seen++
	for i := l.n - 1; i >= max(l.n-len(l.marks), 0); i-- {
		tick := l.marks[i%len(l.marks)]
		if tick <= sl.tick {
			if tick >= sl.born {
				b.At100++
			}
			return
		}
	}
}
