package goroutine

// compare finds the goroutines of a chunk that are not what they were, now that it was read.
func (s *scanner) compare(c *chunk, at int64) change {
	s.stats.Reads++
	m := s.mem
	if !c.known {
		c.known = true
		m.cold--
	}
	found := none
	if len(c.folded) > 0 {
		free, live := m.countFolded(c)
		if free {
			found = freed
		}
		if live == 0 || !m.unfold(c) {
			m.unwatch(c, live)
		}
	}
	stride := int32(m.stride())
	for i := range c.slots {
		sl := &c.slots[i]
		if w := &c.windows[sl.window(stride)]; w.ok {
			found = max(found, s.compareSlot(sl, w, m.g(c, int(sl.off)), at))
		} else {
			s.stats.Unread++
		}
	}
	for i := range c.n {
		if w := &c.windows[i]; w.ok {
			w.read, w.tick = at, s.clock.tick
		}
	}
	return found
}

// compareSlot compares a goroutine, whose g is given, with what it was when its window was read before. It notes a
// job for one that changed. Nothing is entered for one that did not: its slot catches up when it does.
func (s *scanner) compareSlot(sl *slot, w *window, g []byte, at int64) change {
	f := &s.mem.f
	k := f.key(g)
	labels := optional(g, f.labels)
	if sl.stable && k == sl.key && labels == sl.labels {
		if k.status == grunnable {
			return some
		}
		return none
	}
	kd := kindOf(k.status)
	if kd > dead && sl.unborn(k, word(g, f.startpc)) {
		kd = dead
	}
	if kd <= dead {
		return s.compareDead(sl, w, kd, at)
	}
	sl.catchUp(w)
	same := sl.alive && k == sl.key
	sw := &s.mem.sweeps
	known := labels == 0 || sl.had(k.goid, labels) && !sw.known
	j := job{s: sl, g: g, key: k, at: at, labels: labels, grace: sw.grace, kind: kd, same: same, pending: !known}
	j.first = sl.read == 0 || same && sl.now.late
	j.seen.goid, j.seen.parent, j.seen.created = k.goid, optional(g, f.parent), optional(g, f.gopc)
	s.state.enter(&j.seen, g, k.status, same)
	if known && labels != 0 {
		j.seen.set = sl.set
	}
	if kd == inCall && same && !s.stacks.recount {
		j.seen.stack, j.seen.loss = sl.now.stack, sl.now.loss
	}
	s.jobs = append(s.jobs, j)
	return none // judge will know
}

// unborn says whether the g is no longer the goroutine's whose id it has: newproc1 gives it the stack and the labels of another one,
// makes it runnable, and only then gives it an id (runtime/proc.go). What is there starts at startpc and has not run; who was there
// has ended, or was somewhere else before.
func (sl *slot) unborn(k key, startpc uint64) bool {
	if k.goid != sl.key.goid || k.pc != startpc || sl.tick == 0 {
		return false
	}
	return !sl.alive || sl.key.pc != startpc
}

// compareDead enters a g without a goroutine.
func (s *scanner) compareDead(sl *slot, w *window, kd kind, at int64) change {
	if kd == odd {
		s.stats.Unread++
	}
	if !sl.alive && sl.tick != 0 {
		return none
	}
	sl.catchUp(w)
	found := freed
	if sl.alive {
		found = reused
		s.track.end(sl, at)
	}
	sl.read, sl.tick = at, s.clock.tick
	return found
}

// judge says what a job means, now that its stack was walked.
func (s *scanner) judge(j *job) change {
	if s.visit != nil {
		s.visit(j, j.g)
	}
	switch {
	case j.s.read != 0 && (!j.s.alive || j.s.key.goid != j.key.goid):
		return reused
	case j.seen.late, j.s.now.late && j.same:
		return none
	case j.kind == running, j.seen.state >= running0 && j.seen.state != syscall0, j.pending && !j.s.had(j.key.goid, j.labels),
		!j.same, !j.seen.same(&j.s.now):
		return some
	}
	return none
}
