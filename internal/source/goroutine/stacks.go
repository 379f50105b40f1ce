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

const maxFirst = 2000 // goroutines that are taken in per tick when a recording begins

// stacks finds the stacks of goroutines that changed, and who and what they wait for.
type stacks struct {
	mem     *memory
	state   *stateReader
	unwind  unwinder
	recount bool // Go 1.26: trackingSeq does not count system calls
	peers   peers
	waiting waitFinder

	walks int   // goroutines that were there at first that may still be taken in in this tick
	put   int64 // how often one was put off
	tries int   // for a goroutine that runs while its stack is read

	pieces     []proc.Piece
	buf        []byte
	readings   []reading // of the stacks that are read together
	pcs, again []uint64
	known      knownStacks
	todo       []int // jobs to walk
	torn       []int // jobs whose goroutine ran meanwhile
}

func newStacks(state *stateReader, o Options) *stacks {
	m := state.mem
	s := &stacks{mem: m, state: state, unwind: newUnwinder(m.l, m.v, o), recount: !m.l.CountsCalls(), peers: newPeers(state, nil)}
	cases := 0
	if o.Split {
		cases = maxCases
	}
	s.waiting = newWaitFinder(state, cases)
	return s
}

// begin begins a tick.
func (s *stacks) begin(m mode) {
	s.walks, s.tries, s.waiting.wide = maxFirst, 3, maxWide
	if m.all {
		s.walks, s.tries, s.waiting.wide = maxEntries, 32, maxEntries
	}
}

// ambiguous says that the key does not tell whether a goroutine ran: coroutine switches do not count
// in trackingSeq (runtime/coro.go), and from Go 1.26 on neither do system calls. Their stacks are
// read again at every tick, and what is found has to be found twice: in two copies, or in one if it
// is what was found at the last tick.
func (s *stacks) ambiguous(j *job) bool {
	return j.kind == inCall || s.state.name(j) == coroutine
}

const coroutine = sample.State("coroutine")

// readTwice says that a stack has to be copied twice.
func (s *stacks) readTwice(j *job) bool {
	return s.ambiguous(j) && (!j.same || j.s.now.stack == nil)
}

// follow walks the chain of job number i and enters what it finds.
func (s *stacks) follow(i int, j *job, r *reading) {
	at := chainStart{pc: j.key.pc, sp: j.key.sp, fp: s.frame(j), hi: word(j.g, s.mem.f.hi)}
	at.anywhere = j.key.status == grunnable || j.key.status == gpreempted
	var end, again ending
	if len(r.again) > 0 {
		s.again, again = s.unwind.chain(s.again[:0], stackCopy{r.again, r.base}, at)
	}
	s.pcs, end = s.unwind.chain(s.pcs[:0], r.stackCopy, at)
	if len(r.again) > 0 && (again != end || !slices.Equal(s.again, s.pcs)) {
		s.torn = append(s.torn, i)
		return
	}
	if end == started && s.pcs[0] == word(j.g, s.mem.f.startpc) {
		s.pcs = append(s.pcs[:0], s.pcs[0]+1, s.unwind.root) // it has not run yet
		end = whole
	}
	if s.ambiguous(j) && !s.readTwice(j) && !slices.Equal(s.pcs, j.s.now.stack.pcs) {
		s.torn = append(s.torn, i) // the next try copies it twice
		return
	}
	switch {
	case end == beyond || end == intoC:
		j.seen.loss = sample.Truncated
		s.mem.stats.Truncated++
	case end != whole:
		j.unwalked(&s.mem.stats.Rootless)
		j.stable = j.kind == parked && !s.ambiguous(j) // it will not get better
		return
	default:
		j.seen.loss = sample.Whole
	}
	s.mem.stats.Walked++
	s.peers.want(j, r)
	s.waiting.walked(j, r)
	j.seen.stack = s.known.intern(s.pcs, j.seen.loss == sample.Truncated)
	j.stable = j.kind == parked && !s.ambiguous(j) && !s.state.dependsOnThread(j)
}

// frame is the frame pointer to start from. Go 1.23 saves it at a system call; before that the
// caller's frame is found by its size: the saved frame pointer is its topmost word.
func (s *stacks) frame(j *job) uint64 {
	g := j.g
	switch {
	case j.kind != inCall:
		return word(g, s.mem.f.bp)
	case s.mem.f.callBP >= 0:
		return word(g, s.mem.f.callBP)
	case s.unwind.spDelta != nil:
		if d, ok := s.unwind.spDelta(j.key.pc); ok && d >= 8 {
			return j.key.sp + uint64(d) - 8
		}
	}
	return 0
}
