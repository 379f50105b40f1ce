package goroutine

import "time"

const maxJobs = 64 // changed goroutines whose labels are read together

// tick reads all chunks whose turn it is, and enters what changed in them.
func (s *scanner) tick(m mode) error {
	s.clock.begin()
	s.pace.begin(m)
	s.stacks.begin(m)
	s.track.begin()
	s.rest()
	err := s.mem.takeUp()
	if err == nil {
		var left []*chunk
		left, err = s.scanUntil(s.pace.until, s.pace.chosen(s.mem.chunks, m.full || s.full))
		s.pace.postpone(left, s.mem.chunks)
	}
	if err == nil && s.mem.cold > 0 {
		_, err = s.scanUntil(s.pace.cold, s.pace.unknown(s.mem.chunks))
	}
	if err == nil && !s.mem.asked && !(s.sleep.same && !m.full && s.mem.same(s.clock.began)) {
		err = s.mem.readGroup(nil)
	}
	s.enter()
	s.rested()
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
		c.asleep = s.sleep.now && found[k] != some && c.whole()
		for i := jobs[k]; i < jobs[k+1]; i++ {
			j := &s.jobs[i]
			change := s.judge(j)
			found[k] = max(found[k], change)
			c.asleep = c.asleep && (change == none || j.stable) && !j.seen.late && !j.pending
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
