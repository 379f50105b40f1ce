package proc

import (
	"errors"
	"fmt"
	"time"
)

var errNoClock = errors.New("no CPU clock")

// pollExit is how often /proc is asked whether the process is still there, on kernels without
// pidfd.
const pollExit = 50 * time.Millisecond

// Exited returns a channel that is closed when the process ends. One goroutine waits, from the
// first call on; Close ends it without closing the channel.
func (p *Process) Exited() <-chan struct{} {
	p.once.Do(func() { go p.watch() })
	return p.exited
}

func (p *Process) watch() {
	if p.fd != noPidfd {
		if p.fd.wait() {
			close(p.exited)
		}
		return
	}
	tick := time.NewTicker(pollExit)
	defer tick.Stop()
	for p.Alive() {
		select {
		case <-tick.C:
		case <-p.closed:
			return
		}
	}
	close(p.exited)
}

// CPU returns the CPU time that the process has used so far: user and system time of all its
// threads, including those that have ended, in nanoseconds. Where its CPU clock cannot be read
// the resolution is 10 ms (/proc/PID/stat).
func (p *Process) CPU() (time.Duration, error) {
	d, cerr := time.Duration(0), error(errNoClock)
	if p.root == defaultRoot {
		d, cerr = cpuTime(p.pid)
	}
	if cerr == nil && p.fd != noPidfd && !p.fd.ended() {
		return d, nil
	}
	// The pid may be someone else's by now. A process that has ended keeps its clock and its
	// stat until it is reaped.
	st, err := p.stat()
	if err != nil {
		return 0, err
	}
	if st.start != p.start {
		return 0, fmt.Errorf("proc: %s: %w", p.path(), ErrNoProcess)
	}
	if cerr == nil {
		return d, nil
	}
	return st.cpu, nil
}
