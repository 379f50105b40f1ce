package goroutine

import "github.com/mayfly-profiler/mayfly/internal/proc"

const (
	deep       = 32 << 10  // bytes of a stack that are read; what is longer is truncated
	batchBytes = 256 << 10 // of stacks that are read together
	redZone    = 16        // arm64 keeps the frame record of the innermost function below its sp
)

// plan makes room for the stacks of as many jobs as are read together, and returns their number. A chain
// ends at the upper end of its stack, so all that lies above the stack pointer is read at once.
func (s *stacks) plan(jobs []job, todo []int) int {
	s.readings = s.readings[:0]
	size := 0
	for _, i := range todo {
		lo, length := s.extent(&jobs[i])
		need := length + s.mem.f.head + pollerHead
		if s.readTwice(&jobs[i]) {
			need += length
		}
		if size += need; size > batchBytes && len(s.readings) > 0 {
			break
		}
		s.buf = grow(s.buf, size)
		s.readings = append(s.readings, reading{stackCopy: stackCopy{s.buf[:length], lo}})
	}
	return len(s.readings)
}

// pass copies the stacks of the jobs that were planned, checks that the goroutines did not run
// meanwhile, and follows the chains. The kernel copies in the order of the pieces: first all
// stacks, and who and what is waited for, then the g's, then once more the stacks of ambiguous goroutines.
func (s *stacks) pass(jobs []job, todo []int) error {
	free := s.buf
	s.pieces = s.pieces[:0]
	read := func(addr uint64, n int) []byte {
		b := free[:n:n]
		free = free[n:]
		s.pieces = append(s.pieces, proc.Piece{Addr: addr, Buf: b})
		return b
	}
	for n := range todo {
		r := &s.readings[n]
		r.mem = read(r.base, len(r.mem))
	}
	polls := len(s.pieces)
	for n, i := range todo {
		if s.peers.again(&jobs[i]) {
			s.readings[n].poll = read(jobs[i].s.poll.desc, pollerHead)
		}
	}
	waits := len(s.pieces)
	s.pieces = s.waiting.ask(s.pieces, jobs, todo, s.readings)
	heads := len(s.pieces)
	for n, i := range todo {
		s.readings[n].head = read(jobs[i].s.addr, s.mem.f.head)
	}
	seconds := len(s.pieces)
	for n, i := range todo {
		if r := &s.readings[n]; s.readTwice(&jobs[i]) {
			r.again = read(r.base, len(r.mem))
		}
	}
	if err := s.mem.Gather(s.pieces); err != nil {
		return err
	}
	s.waiting.take(s.pieces[waits:heads])
	for n, i := range todo {
		j, r := &jobs[i], &s.readings[n]
		ok := s.pieces[n].OK && s.pieces[heads+n].OK
		if r.poll != nil {
			if !s.pieces[polls].OK {
				r.poll = nil
			}
			polls++
		}
		if s.readTwice(j) {
			ok = ok && s.pieces[seconds].OK
			seconds++
		}
		if !ok || s.mem.f.key(r.head) != j.key {
			s.torn = append(s.torn, i)
			continue
		}
		s.follow(i, j, r)
	}
	if err := s.peers.find(); err != nil {
		return err
	}
	return s.waiting.find()
}

// extent is the piece of stack to read, empty if the g's words make no sense.
func (s *stacks) extent(j *job) (lo uint64, length int) {
	g := j.g
	hi := word(g, s.mem.f.hi)
	sp := j.key.sp
	if j.key.lo < 4096 || hi > 1<<62 || sp < j.key.lo || sp >= hi || sp%8 != 0 || hi%8 != 0 || hi-j.key.lo > 1<<32 {
		return j.s.addr, 0
	}
	lo = max(sp-redZone, (j.key.lo+7)&^7)
	return lo, int(min(hi-lo, deep))
}
