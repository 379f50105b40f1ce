package goroutine

import "github.com/mayfly-profiler/mayfly/profiler/sample"

// slot is one g struct of the target and what is known of the goroutine in it. The runtime never
// frees a g: a slot outlives many goroutines.
type slot struct {
	addr   uint64
	off    int32 // in the image of its chunk
	alive  bool  // a goroutine is in it; the fields below are about that goroutine
	steady bool  // as long as key and labels stay, all that is known stays true
	key    key
	labels uint64 // g.labels
	read   int64  // when it was last read, but for what catchUp knows; 0: never

	set     *labelSet // what was read from setFrom when the goroutine was setGoid
	setFrom uint64
	setGoid uint64

	poll   *poll    // the file that it waited for last,
	waited *objects // and other things,
	again  bool     // for the second time at least

	now  stay
	prev *stay // the stay before, held back until it is known where it ended
	gap  int64 // > 0: now was found after that many ns without a look, and its beginning is open
	hit  int64 // when it was found

	fresh bool   // created while recording
	born  uint32 // tick at which it was first seen
	tick  uint32 // tick of read
	birth int64  // when it began, as far as known
}

// stay is a time that a goroutine spent in one state at one place.
type stay struct {
	from, to int64
	goid     uint64
	parent   uint64
	tid      uint32
	state    state
	loss     sample.Loss
	late     bool // stack and labels were put off
	lost     bool // it had labels, and they could not be read
	stack    *stack
	set      *labelSet
	peer     *peer    // who it waits for,
	write    bool     // to take data
	on       *objects // what else it waits for
	call     string   // the system call that it is blocked in
}

// same says whether two stays differ in nothing but their time.
func (s *stay) same(o *stay) bool {
	return s.goid == o.goid && s.state == o.state && s.stack == o.stack && s.set == o.set && s.lost == o.lost && s.tid == o.tid &&
		s.loss == o.loss && s.peer == o.peer && s.on == o.on && s.call == o.call
}

// had says whether labels was read for the goroutine before. If it has run since, it may have had another
// set meanwhile, and now a third one at the address of the first.
func (sl *slot) had(goid, labels uint64) bool { return labels == sl.setFrom && goid == sl.setGoid }

// state is a sample.State by number: a wait reason, or one of the constants.
type state uint16

const (
	running0 state = 256 + iota // above all wait reasons, which are bytes
	preempted0
	throttled0
	runnable0
	syscall0
	leaked0
	stopped0
	unknown0
	states
)

// newStates spells the states.
func newStates(reason func(uint8) string) *[states]sample.State {
	var names [states]sample.State
	for i := range 256 {
		names[i] = sample.State(reason(uint8(i)))
		switch names[i] {
		case "":
			names[i] = sample.Unknown
		case sample.Preempted:
			// The garbage collector holds a goroutine that wants to run. The runtime's word for it
			// means something else here.
			names[i] = sample.Runnable
		}
	}
	names[running0], names[preempted0], names[throttled0] = sample.Running, sample.Preempted, sample.Throttled
	names[runnable0], names[syscall0], names[leaked0], names[unknown0] = sample.Runnable, sample.Syscall, sample.Leaked, sample.Unknown
	names[stopped0] = sample.Stopped
	return &names
}

// ofThread turns what Threads says into a number.
func ofThread(s sample.State) state {
	switch s {
	case sample.Running:
		return running0
	case sample.Preempted:
		return preempted0
	case sample.Throttled:
		return throttled0
	case sample.Runnable:
		return runnable0
	case sample.Syscall:
		return syscall0
	case sample.Stopped:
		return stopped0
	}
	return unknown0
}

// A chunk is the slots of a few neighbouring pieces of memory that are read by one system call. It
// is small, so that little time passes between reading a g and reading its stack.
type chunk struct {
	slots     []slot
	folded    []uint16 // offsets in the chunk's image of g's without a slot; see fold.go
	unwatched uint16   // goroutines among them
	windows   [chunkWindows]window
	n         int  // windows in use
	known     bool // it was read

	due    uint32 // the tick at which it is to be read next
	period uint32 // ticks between two looks
	hot    int64  // until then it is read at every tick: goroutines were born or died here
	flush  int64  // when its stays are to be emitted next
}

const (
	windowBits   = 14 // 16 KiB hold two spans of g structs
	windowSize   = 1 << windowBits
	chunkWindows = 2
)

// window is an aligned piece of the heap; [lo, hi) of it holds all its slots.
type window struct {
	lo, hi uint64
	read   int64  // when it was last read,
	tick   uint32 // and in which tick
}

// window is the number of a slot's window in its chunk.
func (sl *slot) window(stride int32) int {
	if sl.off < stride {
		return 0
	}
	return 1
}

// catchUp enters that the slot was looked at when its window was read last, and nothing had changed.
func (sl *slot) catchUp(w *window) {
	if sl.tick == 0 || sl.tick >= w.tick {
		return // it was never looked at, or something had changed
	}
	sl.read, sl.tick = w.read, w.tick
	if sl.alive {
		sl.now.to = w.read
	}
}

// place finds or makes the chunk for a g at addr.
func (s *scanner) place(addr uint64) {
	at := addr >> windowBits
	c := s.windows[at]
	if c == nil {
		if n := len(s.chunks); n > 0 && s.chunks[n-1].n < chunkWindows {
			c = s.chunks[n-1]
		} else {
			c = &chunk{period: 1, due: s.tick}
			s.chunks = append(s.chunks, c)
			s.cold++
		}
		c.windows[c.n] = window{lo: addr, hi: addr}
		c.n++
		s.windows[at] = c
	}
	for i := range c.n {
		if w := &c.windows[i]; w.lo>>windowBits == at {
			w.lo, w.hi = min(w.lo, addr), max(w.hi, addr+uint64(s.f.size))
			off := i*s.stride() + int(addr&(windowSize-1))
			if !s.settled && len(c.slots) == 0 || !s.unfold(c) || s.slots >= s.most {
				c.folded = append(c.folded, uint16(off))
				continue
			}
			sl := slot{addr: addr, off: int32(off)}
			if s.settled {
				sl.read = s.before // it did not exist then
			}
			c.slots = append(c.slots, sl)
			s.slots++
		}
	}
	c.due, c.period = s.tick, 1
}

// stride is the distance of two windows in a chunk's image: the last g of a window may reach into
// the next.
func (s *scanner) stride() int { return windowSize + s.f.size }
