package proc

import "time"

// Clock is the CPU time that a process uses from a moment on.
type Clock struct {
	p     *Process
	began time.Duration // what CPU showed at that moment
	exec  *execCounter  // nil: began is known
}

// Clock starts one now.
func (p *Process) Clock() *Clock {
	began, _ := p.CPU()
	return &Clock{p: p, began: began}
}

// ClockFromExec starts one at the next execve(2). What the process has used before, and what the
// execve itself takes to tear the old program down (a millisecond for a Go process), is not the new
// program's: of a command that runs for 20 ms it would be 5 %. Where the kernel counts nothing for us
// the clock starts now.
func (p *Process) ClockFromExec() *Clock {
	c := p.Clock()
	c.exec, _ = openExecCounter(p)
	return c
}

// Used returns the time. A process that is gone has no clock.
func (c *Clock) Used() (time.Duration, error) {
	now, err := c.p.CPU()
	if err != nil {
		return 0, err
	}
	if c.exec == nil {
		return now - c.began, nil
	}
	since := c.exec.read()
	if since == 0 {
		return 0, nil
	}
	c.began = now - since
	return since, c.Close()
}

// Close releases what the clock holds open.
func (c *Clock) Close() error {
	if c == nil || c.exec == nil {
		return nil
	}
	err := c.exec.close()
	c.exec = nil
	return err
}
