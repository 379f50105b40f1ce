package goroutine

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// The stack of a goroutine that does not run is a chain: g.sched has the program counter and the
// frame pointer; a frame pointer points at the caller's frame pointer, with the return address
// after it (amd64 and arm64 alike); the last return address is in goexit. The stack is copied, then
// the g is read once more, then the chain is followed in the copy: only what was read between two
// equal keys is believed, and of that only what ends where a goroutine's stack ends.

const (
	maxFrames = 1024
	maxHeld   = 1 << 18 // return addresses of distinct stacks remembered: 2 MB
	stackCost = 12      // as many addresses as a stack takes besides its own
	redZone   = 16      // arm64 keeps the frame record of the innermost function below its sp
)

// stack is a chain of return addresses, leaf first. Equal stacks are mostly one.
type stack struct {
	pcs       []uint64
	truncated bool
}

type walker struct {
	buf        []byte
	readings   []reading // of the stacks that are read together
	pcs, again []uint64
	known      map[uint64]*stack
	held       int   // return addresses in known
	todo       []int // jobs to walk
	torn       []int // jobs whose goroutine ran meanwhile
}

// shaky says that the key does not tell whether a goroutine ran: coroutine switches do not count
// in trackingSeq (runtime/coro.go), and from Go 1.26 on neither do system calls. Their stacks are
// read again at every look, and what is found has to be found twice: in two copies, or in one if it
// is what was found at the last look.
func (s *scanner) shaky(j *job) bool {
	return j.kind == inCall || s.states[j.seen.state] == coroutine
}

const coroutine = sample.State("coroutine")

// twice says that a stack has to be copied twice.
func (s *scanner) twice(j *job) bool {
	return s.shaky(j) && (!j.same || j.s.now.stack == nil)
}

// walk finds the stacks of the jobs that have one. Those whose goroutine ran meanwhile get a second
// try with what they are now.
func (s *scanner) walk(jobs []job) error {
	w := &s.walker
	w.todo = w.todo[:0]
	for i := range jobs {
		if s.wants(&jobs[i]) {
			w.todo = append(w.todo, i)
		}
	}
	tries := 3
	if s.whole {
		tries = 32
	}
	for try := 0; len(w.todo) > 0; try++ {
		if try == tries {
			for _, i := range w.todo {
				s.unwalked(&jobs[i], &s.stats.Torn)
			}
			break
		}
		if err := s.walkAll(jobs, try); err != nil {
			return err
		}
		w.todo = append(w.todo[:0], w.torn...)
	}
	return nil
}

// wants says whether a job's stack is to be walked now.
func (s *scanner) wants(j *job) bool {
	switch {
	case j.kind == running:
		return false
	case j.kind == inCall && j.seen.stack != nil:
		return false // the same call as before
	case j.kind == parked && j.same && j.s.steady:
		j.seen.stack, j.seen.loss, j.steady = j.s.now.stack, j.s.now.loss, true
		j.seen.peer, j.seen.write, j.seen.on = j.s.now.peer, j.s.now.write, j.s.now.on
		return false // only its labels were owed
	case j.first && s.walks <= 0:
		j.seen.late, j.seen.loss = true, sample.Unwalked
		s.put++
		return false
	case j.first:
		s.walks--
	}
	return true
}

// unwalked gives up on a stack for this tick.
func (s *scanner) unwalked(j *job, count *int64) {
	*count++
	j.seen.stack, j.seen.loss, j.steady = nil, sample.Unwalked, false
}

// walkAll tries all of todo once and leaves the torn ones in torn.
func (s *scanner) walkAll(jobs []job, try int) error {
	w := &s.walker
	w.torn = w.torn[:0]
	if try > 0 {
		if err := s.reread(jobs); err != nil {
			return err
		}
	}
	for todo := w.todo; len(todo) > 0; {
		n := s.plan(jobs, todo)
		if err := s.pass(jobs, todo[:n]); err != nil {
			return err
		}
		todo = todo[n:]
	}
	return nil
}

// reread reads the g's of todo again and drops those that no longer are the same goroutine with a
// stack to walk: they keep the state in which they were first seen.
func (s *scanner) reread(jobs []job) error {
	w := &s.walker
	s.pieces = s.pieces[:0]
	for _, i := range w.todo {
		s.pieces = append(s.pieces, proc.Piece{Addr: jobs[i].s.addr, Buf: jobs[i].g})
	}
	s.from = s.now()
	if err := s.mem.Gather(s.pieces); err != nil {
		return err
	}
	kept := w.todo[:0]
	for n, i := range w.todo {
		j := &jobs[i]
		g := j.g
		k := s.f.key(g)
		kd := kindOf(k.status)
		if !s.pieces[n].OK || k.goid != j.key.goid || kd <= running {
			s.unwalked(j, &s.stats.Torn)
			continue
		}
		if labels := optional(g, s.f.labels); labels != j.labels {
			j.labels, j.owed, j.seen.set = labels, labels != 0, nil
		}
		j.key, j.kind, j.same = k, kd, false
		s.setState(&j.seen, g, k.status, false)
		kept = append(kept, i)
	}
	w.todo = kept
	return nil
}

// follow walks the chain of job number i and enters what it finds.
func (s *scanner) follow(i int, j *job, r *reading) {
	w := &s.walker
	at := chainStart{pc: j.key.pc, sp: j.key.sp, fp: s.frame(j), hi: word(j.g, s.f.hi)}
	at.anywhere = j.key.status == grunnable || j.key.status == gpreempted
	var end, again ending
	if len(r.again) > 0 {
		w.again, again = s.chain(w.again[:0], stackCopy{r.again, r.base}, at)
	}
	w.pcs, end = s.chain(w.pcs[:0], r.stackCopy, at)
	if len(r.again) > 0 && (again != end || !slices.Equal(w.again, w.pcs)) {
		w.torn = append(w.torn, i)
		return
	}
	if end == started && w.pcs[0] == word(j.g, s.f.startpc) {
		w.pcs = append(w.pcs[:0], w.pcs[0]+1, s.root) // it has not run yet
		end = whole
	}
	if s.shaky(j) && !s.twice(j) && !slices.Equal(w.pcs, j.s.now.stack.pcs) {
		w.torn = append(w.torn, i) // the next try copies it twice
		return
	}
	switch {
	case end == beyond || end == intoC:
		j.seen.loss = sample.Truncated
		s.stats.Truncated++
	case end != whole:
		s.unwalked(j, &s.stats.Rootless)
		j.steady = j.kind == parked && !s.shaky(j) // it will not get better
		return
	default:
		j.seen.loss = sample.Whole
	}
	s.stats.Walked++
	s.wantPeer(j, r)
	s.wantWait(j, r)
	j.seen.stack = w.intern(j.seen.loss == sample.Truncated)
	j.steady = j.kind == parked && !s.shaky(j) && !s.onThread(j)
}

// onThread says that the state depends on a thread, which is to be asked at every look.
func (s *scanner) onThread(j *job) bool {
	return s.o.Threads != nil && word(j.g, s.f.m) != 0
}

// frame is the frame pointer to start from. Go 1.23 saves it at a system call; before that the
// caller's frame is found by its size: the saved frame pointer is its topmost word.
func (s *scanner) frame(j *job) uint64 {
	g := j.g
	switch {
	case j.kind != inCall:
		return word(g, s.f.bp)
	case s.f.callBP >= 0:
		return word(g, s.f.callBP)
	case s.o.SPDelta != nil:
		if d, ok := s.o.SPDelta(j.key.pc); ok && d >= 8 {
			return j.key.sp + uint64(d) - 8
		}
	}
	return 0
}

// ending says how a chain ended.
type ending uint8

const (
	broken  ending = iota // in something that is no frame, or that is not below a goroutine
	whole                 // at goexit
	started               // at once: no frame at all
	beyond                // it leaves the copy, or has too many frames
	intoC                 // in C, which called Go: from there on frame pointers mean nothing
)

type chainStart struct {
	pc, sp, fp, hi uint64
	anywhere       bool // the goroutine may have been stopped where it had not set up its frame
}

// chain appends the return addresses to pcs.
func (s *scanner) chain(pcs []uint64, c stackCopy, at chainStart) ([]uint64, ending) {
	pcs = append(pcs, at.pc)
	fp := at.fp
	switch {
	case len(c.mem) == 0:
		return pcs, broken
	case at.pc == s.root:
		return pcs, whole // that of a thread of C's, outside of Go (runtime/proc.go, oneNewExtraM)
	case fp == 0:
		return pcs, started
	case at.anywhere:
		pcs = s.lostCaller(pcs, c, at.sp, fp)
	}
	for low := c.base; ; {
		last := pcs[len(pcs)-1]
		if fp < low || fp%8 != 0 || fp > at.hi-16 {
			if s.v.CgoCallback.Contains(last) {
				return pcs, intoC
			}
			return pcs, broken
		}
		if fp-c.base+16 > uint64(len(c.mem)) || len(pcs) >= maxFrames {
			return pcs, beyond
		}
		next, ret := word(c.mem, int(fp-c.base)), word(c.mem, int(fp-c.base)+8)
		pcs = append(pcs, ret)
		switch {
		case ret == s.root:
			return pcs, whole
		case s.v.AsyncPreempt.Contains(last):
			pcs = s.lostCaller(pcs, c, fp+16, next) // runtime/preempt_amd64.s
		}
		low, fp = fp+16, next
	}
}

// lostCaller appends the caller of the last function in pcs if frame pointers do not lead to it: a
// function that was stopped before it had pushed the frame pointer has its caller's, which leads
// to the caller's caller. That happens to goroutines that were preempted, at the check of the stack
// before the prologue or anywhere by a signal. pclntab knows how deep the stack is at that point.
func (s *scanner) lostCaller(pcs []uint64, c stackCopy, sp, fp uint64) []uint64 {
	if s.o.SPDelta == nil || s.l.Arch != "amd64" {
		return pcs
	}
	d, ok := s.o.SPDelta(pcs[len(pcs)-1])
	switch {
	case ok && d == 8 && fp != sp: // "push rbp" is done, "mov rbp, rsp" is not
		sp += 8
	case !ok || d != 0:
		return pcs
	}
	if sp < c.base || sp-c.base+8 > uint64(len(c.mem)) {
		return pcs
	}
	ret := word(c.mem, int(sp-c.base))
	if _, ok := s.o.SPDelta(ret - 1); !ok || ret == s.root {
		return pcs
	}
	return append(pcs, ret)
}

// intern returns the stack with the walker's pcs, a new one if it is not known.
func (w *walker) intern(truncated bool) *stack {
	h := uint64(len(w.pcs))
	for _, pc := range w.pcs {
		h = (h ^ pc) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	if st := w.known[h]; st != nil && st.truncated == truncated && slices.Equal(st.pcs, w.pcs) {
		return st
	}
	st := &stack{pcs: slices.Clone(w.pcs), truncated: truncated}
	if w.known == nil {
		w.known = make(map[uint64]*stack)
	}
	cost := stackCost + len(st.pcs)
	if w.held += cost; w.held > maxHeld {
		clear(w.known)
		w.held = cost
	}
	w.known[h] = st
	return st
}
