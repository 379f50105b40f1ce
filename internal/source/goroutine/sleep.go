package goroutine

import "math"

// A program that waits for requests does nothing between two of most ticks. Where that is known, by the scheduler's view, its table is
// what it was: nothing is read, and the time counts as if it had been. Of twenty small servers three of four ticks were of this kind.

// sleep is whether all threads of the target sleep.
type sleep struct {
	ask   func() (since uint64, ok bool) // Options.Asleep
	since uint64
	now   bool // they did when this tick began
	same  bool // and when the last one did, and no thread was awake in between

	until uint32 // the tick in which there is something to do, while they sleep on,
	left  int    // how many before it were left out,
	at    int64  // and when the last of those was
}

// rest finds that out, before anything is read in this tick.
func (s *scanner) rest() {
	sl := &s.sleep
	if sl.ask == nil {
		return
	}
	since, ok := sl.ask()
	sl.same = ok && sl.now && since == sl.since
	sl.now, sl.since = ok, since
	for _, c := range s.mem.chunks {
		if c.asleep = c.asleep && sl.same; c.asleep {
			c.sleeps(s.clock.began, s.clock.tick)
		}
	}
}

// rested finds out at the end of a tick until which one there is nothing to do if all threads sleep on.
func (s *scanner) rested() {
	sl := &s.sleep
	if sl.until = 0; !sl.now || s.mem.cold > 0 || !s.mem.quiet() {
		return
	}
	sl.until = math.MaxUint32
	for _, c := range s.mem.chunks {
		if !c.asleep {
			sl.until = min(sl.until, c.due)
		}
	}
}

// leaveOut says whether there is nothing to do at the moment of a tick: all threads sleep since the last one, and nothing is due that was
// not read since they do. Then the tick is left out.
func (s *scanner) leaveOut() bool {
	sl := &s.sleep
	if s.clock.tick+uint32(sl.left)+1 >= sl.until {
		return false
	}
	if since, ok := sl.ask(); !ok || since != sl.since {
		return false
	}
	sl.left++
	sl.at = s.clock.now()
	return true
}

// makeUp enters the ticks that were left out before one that is not, and returns their number.
func (s *scanner) makeUp() (n int) {
	sl := &s.sleep
	if n, sl.left = sl.left, 0; n == 0 {
		return 0
	}
	s.clock.tick += uint32(n)
	s.stats.Ticks += int64(n)
	s.mem.same(sl.at)
	for _, c := range s.mem.chunks {
		if c.asleep {
			c.sleeps(sl.at, s.clock.tick)
		}
	}
	return n
}

// whole says whether all of a chunk could be read.
func (c *chunk) whole() bool {
	for i := range c.n {
		if !c.windows[i].ok {
			return false
		}
	}
	return true
}
