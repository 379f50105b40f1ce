package goroutine

import "github.com/mayfly-profiler/mayfly/internal/proc"

const (
	deep       = 32 << 10  // bytes of a stack that are read; what is longer is truncated
	batchBytes = 256 << 10 // of stacks that are read together
)

// stackCopy is a part of a stack.
type stackCopy struct {
	mem  []byte
	base uint64 // address of mem
}

// reading is what is read to walk a stack.
type reading struct {
	stackCopy
	again []byte // a second copy, of shaky goroutines
	head  []byte // of the g, read after the first
	poll  []byte // the head of the pollDesc that it waited for last; nil if it is not known
	wait  int    // number of its waiter, from 1 on; 0 if it has none
}

// plan makes room for the stacks of as many jobs as are read together, and returns their number. A chain
// ends at the upper end of its stack, so all that lies above the stack pointer is read at once.
func (s *scanner) plan(jobs []job, todo []int) int {
	w := &s.walker
	w.readings = w.readings[:0]
	size := 0
	for _, i := range todo {
		lo, length := s.extent(&jobs[i])
		need := length + s.f.head + pollerHead
		if s.twice(&jobs[i]) {
			need += length
		}
		if size += need; size > batchBytes && len(w.readings) > 0 {
			break
		}
		w.buf = grow(w.buf, size)
		w.readings = append(w.readings, reading{stackCopy: stackCopy{w.buf[:length], lo}})
	}
	return len(w.readings)
}

// pass copies the stacks of the jobs that were planned, checks that the goroutines did not run
// meanwhile, and follows the chains. The kernel copies in the order of the pieces: first all
// stacks, and who and what is waited for, then the g's, then once more the stacks of shaky goroutines.
func (s *scanner) pass(jobs []job, todo []int) error {
	w := &s.walker
	free := w.buf
	s.pieces = s.pieces[:0]
	read := func(addr uint64, n int) []byte {
		b := free[:n:n]
		free = free[n:]
		s.pieces = append(s.pieces, proc.Piece{Addr: addr, Buf: b})
		return b
	}
	for n := range todo {
		r := &w.readings[n]
		r.mem = read(r.base, len(r.mem))
	}
	polls := len(s.pieces)
	for n, i := range todo {
		if s.waitsAgain(&jobs[i]) {
			w.readings[n].poll = read(jobs[i].s.poll.desc, pollerHead)
		}
	}
	waits := len(s.pieces)
	s.askWaits(jobs, todo)
	heads := len(s.pieces)
	for n, i := range todo {
		w.readings[n].head = read(jobs[i].s.addr, s.f.head)
	}
	seconds := len(s.pieces)
	for n, i := range todo {
		if r := &w.readings[n]; s.twice(&jobs[i]) {
			r.again = read(r.base, len(r.mem))
		}
	}
	if err := s.mem.Gather(s.pieces); err != nil {
		return err
	}
	s.gotWaits(s.pieces[waits:heads])
	for n, i := range todo {
		j, r := &jobs[i], &w.readings[n]
		ok := s.pieces[n].OK && s.pieces[heads+n].OK
		if r.poll != nil {
			if !s.pieces[polls].OK {
				r.poll = nil
			}
			polls++
		}
		if s.twice(j) {
			ok = ok && s.pieces[seconds].OK
			seconds++
		}
		if !ok || s.f.key(r.head) != j.key {
			w.torn = append(w.torn, i)
			continue
		}
		s.follow(i, j, r)
	}
	if err := s.findPeers(); err != nil {
		return err
	}
	return s.findWaits()
}

// extent is the piece of stack to read, empty if the g's words make no sense.
func (s *scanner) extent(j *job) (lo uint64, length int) {
	g := j.g
	hi := word(g, s.f.hi)
	sp := j.key.sp
	if j.key.lo < 4096 || hi > 1<<62 || sp < j.key.lo || sp >= hi || sp%8 != 0 || hi%8 != 0 || hi-j.key.lo > 1<<32 {
		return j.s.addr, 0
	}
	lo = max(sp-redZone, (j.key.lo+7)&^7)
	return lo, int(min(hi-lo, deep))
}
