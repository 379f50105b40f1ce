package report

import (
	"cmp"
	"fmt"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// remedy says what to change, as far as the cause tells.
func (c *Cause) remedy() string {
	at := cmp.Or(shortName(c.Function), "the program")
	switch c.Kind {
	case timeline.CPU:
		if c.Function == "" {
			return "give the program more CPUs; what it computes, no sample says"
		}
		return "make " + at + " cheaper, call it less often, or give the program more CPUs"
	case timeline.GC:
		return "allocate less in " + at + ", or let the heap grow further between collections (GOGC, GOMEMLIMIT)"
	case timeline.Lock:
		return "hold the lock for less than all that " + at + " does, or divide what it protects"
	case timeline.Channel:
		return "let more goroutines serve, or make what " + at + " does shorter"
	case timeline.Pool:
		return "hold connections for less long in " + at + "; if the other side can take more, raise the limit" + c.now()
	case timeline.Limit:
		return "hold places for less long in " + at + "; if what it protects can take more, raise the limit" + c.now()
	case timeline.Network:
		return c.remoteRemedy()
	case timeline.Syscall:
		return "do it less often, for many requests at once, or not while they wait"
	case timeline.GoScheduler:
		if c.Function == "" {
			return "look at what else runs on the host: nothing in the program is seen to keep them from it"
		}
		return "raise GOMAXPROCS: there are CPUs that it may not use"
	case timeline.OSScheduler:
		return "give the program more CPU time: more CPUs, or fewer neighbours"
	case timeline.Quota:
		return "raise the quota (cpu.max; cpu.cfs_quota_us of cgroup v1), or make " + at + " cheaper: a higher GOMAXPROCS uses it up faster"
	case timeline.Timer:
		return c.timerRemedy()
	case timeline.Stopped:
		return "find out who stops the process"
	}
	if c.traced {
		return "record longer: the trace does not have what ends the wait, as of one that began before it"
	}
	return "an execution trace says who ends the wait: import net/http/pprof into the program, or give mayfly report --trace FILE"
}

// now is the limit as it is, if that is known.
func (c *Cause) now() string {
	if c.Limit < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d)", c.Limit)
}

func (c *Cause) remoteRemedy() string {
	peer := c.Peer
	if peer == "" {
		peer = "the peer"
	}
	switch c.role {
	case frameworks.Dials, frameworks.Handshakes:
		return "keep connections to " + peer + " open and use them again, or look at why it takes them so late"
	case frameworks.Resolves:
		return "look at the name service, or cache what it says"
	case frameworks.Flow:
		return "look at why " + peer + " reads so slowly"
	}
	return "look at " + peer + ", ask it less often, or give up earlier: this program only waits"
}

func (c *Cause) timerRemedy() string {
	switch c.role {
	case frameworks.Rate:
		return "raise the rate, or turn requests away instead of letting them wait"
	case frameworks.Retry:
		return "find out why the first try fails, or wait for less long before the next"
	case frameworks.Batch:
		return "make batches due earlier, or smaller"
	}
	return "make the timer of " + cmp.Or(shortName(c.Function), "the program") + " shorter, or do not let requests wait for it"
}

// because says what the answer is known by.
func (c *Cause) because() string {
	switch c.Evidence {
	case timeline.ByTrace:
		return "the runtime's own events say who ended each wait"
	case timeline.ByMemory:
		if !c.Kind.Waits() {
			return "what the goroutines did was seen in the target, scan by scan and sample by sample"
		}
		return "what is waited for was read from the target's memory"
	}
	return "who waits for whom is inferred from code and time"
}
