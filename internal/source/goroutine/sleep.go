package goroutine

// A program that waits for requests does nothing between two of most ticks. Where that is known, by the scheduler's view, its table is
// what it was: nothing is read, and the time counts as if it had been. Of twenty small servers three of four ticks were of this kind.

// sleep is whether all threads of the target sleep.
type sleep struct {
	ask   func() (since uint64, ok bool) // Options.Asleep
	since uint64
	now   bool // they did when this tick began
	same  bool // and when the last one did, and no thread was awake in between
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

// whole says whether all of a chunk could be read.
func (c *chunk) whole() bool {
	for i := range c.n {
		if !c.windows[i].ok {
			return false
		}
	}
	return true
}
