package goroutine

import (
	"encoding/binary"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// read looks at all goroutines of a group of chunks and returns when it did. A system call costs as much as
// a few g's, so groups are large; but the more of their goroutines run, the more run again before their
// stacks are read.
func (s *scanner) read(group []*chunk) (int64, error) {
	if err := s.gather(group); err != nil {
		return 0, err
	}
	at := s.now()
	var found [groupSize]pulse
	var jobs [groupSize + 1]int // where each chunk's jobs begin
	first, piece := len(s.jobs), s.lead
	for k, c := range group {
		jobs[k] = len(s.jobs)
		found[k] = s.lookAll(c, k*chunkWindows*s.stride(), s.pieces[piece:piece+c.n], at)
		piece += c.n
	}
	jobs[len(group)] = len(s.jobs)
	s.regroup(len(s.jobs) - first)
	err := s.walk(s.jobs[first:])
	for k, c := range group {
		for i := jobs[k]; i < jobs[k+1]; i++ {
			found[k] = max(found[k], s.judge(&s.jobs[i]))
		}
		s.schedule(c, found[k], at)
		if found[k] == quiet && c.period == s.backOff && jobs[k] == jobs[k+1] {
			s.fold(c)
		}
	}
	if len(s.jobs) >= maxJobs {
		s.finish()
	}
	for _, c := range group {
		if at >= c.flush {
			s.finish()
			s.flush(c, at)
		}
	}
	return at, err
}

// regroup decides how many chunks are read together from now on, after a group with that many jobs.
func (s *scanner) regroup(jobs int) {
	switch {
	case jobs > groupJobs:
		s.group = max(s.group/2, 1)
	case jobs < groupJobs/4:
		s.group = min(2*s.group, groupSize)
	}
}

// lookAll looks at the slots of a chunk, whose image begins at the given offset.
func (s *scanner) lookAll(c *chunk, image int, read []proc.Piece, at int64) pulse {
	s.stats.Reads++
	if !c.known {
		c.known = true
		s.cold--
	}
	var ok [chunkWindows]bool
	for i := range read {
		ok[i] = read[i].OK
	}
	found := quiet
	if len(c.folded) > 0 {
		var live int
		if found, live = s.lookFolded(c, image, &ok); live == 0 || !s.unfold(c) {
			s.unwatch(c, live)
		}
	}
	stride := int32(s.stride())
	for i := range c.slots {
		sl := &c.slots[i]
		if w := sl.window(stride); ok[w] {
			found = max(found, s.look(sl, &c.windows[w], s.image[image+int(sl.off):][:s.f.size], at))
		} else {
			s.stats.Unread++
		}
	}
	for i := range read {
		if ok[i] {
			c.windows[i].read, c.windows[i].tick = at, s.tick
		}
	}
	return found
}

// pulse is what a look at a slot says about when to look again.
type pulse uint8

const (
	quiet  pulse = iota
	busy         // something changed, or is about to
	spare        // here is a free slot that nobody knew of: who knows when it was used last
	reused       // a goroutine died here, or was born
)

// look compares a goroutine, whose g is given, with what it was when its window was read before. It notes a
// job for one that changed. Nothing is entered for one that did not: its slot catches up when it does.
func (s *scanner) look(sl *slot, w *window, g []byte, at int64) pulse {
	k := s.f.key(g)
	labels := optional(g, s.f.labels)
	if sl.steady && k == sl.key && labels == sl.labels {
		if k.status == grunnable {
			return busy
		}
		return quiet
	}
	kd := kindOf(k.status)
	if kd <= dead {
		return s.lookDead(sl, w, kd, at)
	}
	sl.catchUp(w)
	same := sl.alive && k == sl.key
	known := labels == 0 || sl.had(k.goid, labels) && !s.sweeps.known
	j := job{s: sl, g: g, key: k, at: at, labels: labels, grace: s.sweeps.grace, kind: kd, same: same, owed: !known}
	j.first = sl.read == 0 || same && sl.now.late
	j.seen.goid, j.seen.parent = k.goid, optional(g, s.f.parent)
	s.setState(&j.seen, g, k.status, same)
	if known && labels != 0 {
		j.seen.set = sl.set
	}
	if kd == inCall && same && !s.recount {
		j.seen.stack, j.seen.loss = sl.now.stack, sl.now.loss
	}
	s.jobs = append(s.jobs, j)
	return quiet // judge will know
}

// lookDead looks at a g without a goroutine.
func (s *scanner) lookDead(sl *slot, w *window, kd kind, at int64) pulse {
	if kd == odd {
		s.stats.Unread++
	}
	if !sl.alive && sl.tick != 0 {
		return quiet
	}
	sl.catchUp(w)
	found := spare
	if sl.alive {
		found = reused
		s.end(sl, at)
	}
	sl.read, sl.tick = at, s.tick
	return found
}

// judge says what a job means, now that its stack was walked.
func (s *scanner) judge(j *job) pulse {
	if s.visit != nil {
		s.visit(j, j.g)
	}
	switch {
	case j.s.read != 0 && (!j.s.alive || j.s.key.goid != j.key.goid):
		return reused
	case j.seen.late, j.s.now.late && j.same:
		return quiet
	case j.kind == running, j.seen.state >= running0 && j.seen.state != syscall0, j.owed && !j.s.had(j.key.goid, j.labels),
		!j.same, !j.seen.same(&j.s.now):
		return busy
	}
	return quiet
}

// setState enters the state of a live goroutine, the thread that it has, 0 without one, and what that
// is blocked in. A goroutine that waits and has a thread only says it waits: it runs on the system
// stack, for the collector or to stop the world (runtime/proc.go, casGToWaitingForSuspendG). same
// says that the goroutine has not run since the last look.
func (s *scanner) setState(st *stay, g []byte, status uint32, same bool) {
	st.tid, st.call = s.tid(word(g, s.f.m)), ""
	known := false
	if st.tid != 0 && s.o.Threads != nil {
		var name sample.State
		if same {
			name, st.call, known = s.o.Threads.State(st.tid)
		} else {
			name, st.call, known = s.o.Threads.At(st.tid, Look{s.began, s.from, s.now(), status == gsyscall})
		}
		if known {
			st.state = ofThread(name)
		}
	}
	switch {
	case status == grunnable || status == gpreempted:
		st.state, st.tid, st.call = runnable0, 0, ""
	case status == gleaked:
		st.state, st.tid, st.call = leaked0, 0, ""
	case status == gwaiting:
		if !known || st.state == syscall0 || st.state == stopped0 {
			st.state, st.tid, st.call = state(g[s.f.reason]), 0, ""
		}
	case known:
	case status == gsyscall:
		st.state = syscall0
	default:
		st.state, st.call = running0, ""
	}
}

// thread is what was read in an m.
type thread struct {
	tid uint32
	at  int64
}

const (
	threadLife = int64(100 * time.Millisecond) // for which an m is believed to keep its thread
	maxThreads = 1 << 14
)

// tid is the thread id in an m.
func (s *scanner) tid(m uint64) uint32 {
	if m < 4096 || m > 1<<62 {
		return 0
	}
	th, ok := s.procid[m]
	if ok && s.looked-th.at < threadLife {
		return th.tid
	}
	var b [8]byte
	if n, _ := s.mem.ReadAt(b[:], int64(m)+int64(s.f.procid)); n == len(b) {
		th.tid = binary.LittleEndian.Uint32(b[:])
	}
	th.at = s.looked
	if len(s.procid) >= maxThreads {
		clear(s.procid)
	}
	s.procid[m] = th
	return th.tid
}

// schedule decides when to look at a chunk again. One in which nothing happened is left alone for
// 2, 4, .. 32 ticks (more on a tight budget), which costs no accuracy for those who stay as they
// are. One where goroutines were born or died lately is read every time, because that is where the
// next will be born: the runtime reuses its dead g's last in, first out. The looks at quiet chunks
// are spread over the ticks.
func (s *scanner) schedule(c *chunk, found pulse, at int64) {
	switch found {
	case reused:
		c.hot = at + hotTime
	case spare:
		c.hot = max(c.hot, at+hotTime/10)
	}
	switch {
	case found == busy || at < c.hot:
		c.period = 1
	case c.period < s.backOff:
		c.period *= 2
	default:
		c.period = s.backOff
		s.idle++
	}
	// The first of the ticks of this period's grid that comes after now; the address decides the
	// grid's phase.
	phase := uint32(c.windows[0].lo >> windowBits)
	c.due = s.tick + c.period - (s.tick+phase)%c.period
}
