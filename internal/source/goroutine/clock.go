package goroutine

// clock is the time of the tick that goes on, which all parts of a scanner share.
type clock struct {
	now    func() int64 // CLOCK_MONOTONIC in ns
	tick   uint32       // its number
	began  int64        // when it did,
	from   int64        // and when the goroutines at hand were read, at the earliest
	period int64        // ns between ticks, as planned now
}

// begin begins a tick.
func (c *clock) begin() {
	c.tick++
	c.began = c.now()
}
