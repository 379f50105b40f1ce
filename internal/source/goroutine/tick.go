package goroutine

import (
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

const maxJobs = 64 // changed goroutines whose labels are read together

// scanner reads all goroutines, tick by tick, over any memory. It knows what was read (memory), walks the stacks
// of goroutines that changed (stacks), makes intervals of what was seen (tracker), and decides when to read what
// (pacer); the order is tick's.
type scanner struct {
	clock  *clock
	stats  *Stats
	full   bool // Options.Full
	mem    *memory
	state  *stateReader
	stacks *stacks
	labels *labelReader
	track  *tracker
	pace   *pacer

	jobs  []job              // goroutines that changed, until they are entered
	visit func(*job, []byte) // for snapshots
}

func newScanner(g proc.Gatherer, l *goruntime.Layout, v *goruntime.Vars, o Options) (*scanner, error) {
	c, st := &clock{now: proc.Monotonic}, &Stats{}
	m, err := newMemory(g, l, v, c)
	if err != nil {
		return nil, err
	}
	m.stats = st
	s := &scanner{clock: c, stats: st, full: o.Full, mem: m, state: newStateReader(m, o.Threads)}
	s.stacks = newStacks(s.state, o)
	s.labels = newLabelReader(m)
	s.track = &tracker{clock: c, stats: st, split: o.Split, stride: int32(m.stride())}
	s.track.lives.stats = st
	s.pace = newPacer(c, st, o)
	return s, nil
}

// of tells the scanner what of the process it does not read in its memory.
func (s *scanner) of(p *proc.Process) {
	s.stacks.peers = newPeers(s.state, p.Peer)
	s.mem.offset = p.TimeOffset()
}

// tick reads all chunks whose turn it is, and enters what changed in them.
func (s *scanner) tick(m mode) error {
	s.clock.begin()
	s.pace.begin(m)
	s.stacks.begin(m)
	s.track.begin()
	err := s.mem.takeUp()
	if err == nil {
		var left []*chunk
		left, err = s.scanUntil(s.pace.until, s.pace.chosen(s.mem.chunks, m.full || s.full))
		s.pace.postpone(left, s.mem.chunks)
	}
	if err == nil && s.mem.cold > 0 {
		_, err = s.scanUntil(s.pace.cold, s.pace.unknown(s.mem.chunks))
	}
	if err == nil && !s.mem.asked {
		err = s.mem.readGroup(nil)
	}
	s.enter()
	s.count()
	return err
}

// scanUntil scans chunks, group by group, until the given time and returns those that are left.
func (s *scanner) scanUntil(until int64, due []*chunk) ([]*chunk, error) {
	for len(due) > 0 {
		group := due[:min(s.pace.group, len(due))]
		at, err := s.scan(group)
		if due = due[len(group):]; err != nil || at > until {
			return due, err
		}
	}
	return nil, nil
}

// scan reads a group of chunks, walks the stacks of the goroutines that changed, and returns when it read them.
func (s *scanner) scan(group []*chunk) (int64, error) {
	if err := s.mem.readGroup(group); err != nil {
		return 0, err
	}
	at := s.clock.now()
	var found [groupSize]change
	var jobs [groupSize + 1]int // where each chunk's jobs begin
	for k, c := range group {
		jobs[k] = len(s.jobs)
		found[k] = s.compare(c, at)
	}
	jobs[len(group)] = len(s.jobs)
	s.pace.regroup(len(s.jobs) - jobs[0])
	err := s.stacks.walk(s.jobs[jobs[0]:])
	for k, c := range group {
		for i := jobs[k]; i < jobs[k+1]; i++ {
			found[k] = max(found[k], s.judge(&s.jobs[i]))
		}
		s.pace.schedule(c, found[k], at)
		if found[k] == none && c.period == s.pace.backOff && jobs[k] == jobs[k+1] {
			s.mem.fold(c)
		}
	}
	if len(s.jobs) >= maxJobs {
		s.enter()
	}
	s.flush(group, at)
	return at, err
}

// flush emits what is known of chunks for which it is time.
func (s *scanner) flush(group []*chunk, at int64) {
	for _, c := range group {
		if at >= c.flush {
			s.enter()
			s.track.flush(c, at, s.mem.n)
		}
	}
}

// enter reads the labels that are pending and enters all jobs into the slots.
func (s *scanner) enter() {
	if len(s.jobs) == 0 {
		return
	}
	s.labels.read(s.jobs)
	for i := range s.jobs {
		s.track.observe(&s.jobs[i])
	}
	clear(s.jobs)
	s.jobs = s.jobs[:0]
}

// count counts a tick that is over.
func (s *scanner) count() {
	end := s.clock.now()
	if s.stats.Complete == 0 && s.mem.settled && s.mem.cold == 0 {
		s.stats.Complete = end
	}
	s.stats.Ticks++
	s.stats.Slowest = max(s.stats.Slowest, time.Duration(end-s.clock.began))
}

// close ends the recording: everything that was seen is emitted.
func (s *scanner) close() {
	s.enter()
	s.track.close(s.mem.chunks)
}

// report is the Stats as of now.
func (s *scanner) report() *Stats {
	st := *s.stats
	st.Goroutines, st.NoPeers = int64(s.mem.n), s.stacks.peers.denied
	st.Unwatched += int64(max(word(s.mem.length[:], 0), uint64(maxEntries))) - int64(maxEntries)
	st.finish()
	return &st
}
