package report

import (
	"fmt"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/blame"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// What the sentence says of each kind: what the slow requests do, and what holds them up.
var symptoms = map[timeline.Kind]string{
	timeline.CPU: "computes", timeline.GC: "helps the garbage collector", timeline.Lock: "waits for a lock", timeline.Channel: "waits on a channel",
	timeline.Pool: "waits for a connection of the pool", timeline.Network: "waits for the network", timeline.Syscall: "is in a system call",
	timeline.GoScheduler: "waits for a P", timeline.OSScheduler: "waits for a CPU", timeline.Sleep: "sleeps", timeline.Stopped: "is stopped", timeline.Children: "waits for its goroutines", timeline.Unknown: "does something unknown",
}

var holders = map[timeline.Kind]string{
	timeline.Lock: "the lock is held by", timeline.Channel: "the other end is", timeline.Pool: "the connections are held by", timeline.GoScheduler: "the Ps are held by",
}

// words are the steps of a chain in words. Each is a clause whose subject is what the step before is about.
func (b reporter) words(steps []blame.Link) []string {
	out := []string{}
	subject := "a slow request"
	for _, s := range steps {
		name := ""
		if s.At.Fn >= 0 {
			name = shortName(b.Funcs[s.At.Fn].Name)
		}
		switch s.Role {
		case blame.WaitsFor:
			out = append(out, subject+" "+symptoms[s.Kind]+in(name))
			subject = "which"
		case blame.HeldBy:
			out = append(out, strings.TrimSpace(holders[s.Kind]+" "+name))
			subject = "which"
		case blame.Behind:
			if name == "" {
				out = append(out, subject+" is runnable and gets no P")
			} else {
				out = append(out, subject+" is runnable behind "+name)
			}
			subject = "which"
		case blame.Started:
			out = append(out, subject+" waits for goroutines that "+name+" started")
			subject = "one of them"
		}
	}
	return out
}

func in(name string) string {
	if name == "" {
		return ""
	}
	return " in " + name
}

// shortName is a function's name without the folders of its package.
func shortName(name string) string {
	end := strings.IndexAny(name, "([")
	if end < 0 {
		end = len(name)
	}
	return name[strings.LastIndexByte(name[:end], '/')+1:]
}

// sentence says the cause in one sentence.
func (c *Cause) sentence(g timeline.Group) string {
	who := "slow requests"
	if g.Value != "" {
		who = g.Value + " is slow: its slow requests"
	}
	where := c.Function
	if where != "" {
		where = shortName(where)
		if c.Line > 0 {
			where += fmt.Sprintf(" (%s:%d)", base(c.File), c.Line)
		}
	}
	return fmt.Sprintf("%s %s; that explains %.0f %% of the time that they take longer.", who, c.reason(where), 100*c.Share)
}

func base(file string) string { return file[strings.LastIndexByte(file, '/')+1:] }

// reason is what the sentence says of the kind.
func (c *Cause) reason(where string) string {
	at := where
	if at == "" {
		at = "the program"
	}
	peer := ""
	if c.Peer != "" {
		peer = " (" + c.Peer + ")"
	}
	switch c.Kind {
	case timeline.CPU:
		return "are held up by the CPU time of " + at
	case timeline.GC:
		return "pay for the garbage collector, which " + at + " keeps busy"
	case timeline.Lock:
		return "wait for a lock that is held over what " + at + " does"
	case timeline.Channel:
		return "wait in a queue for " + at + ", which serves one after the other"
	case timeline.Pool:
		return "wait for a connection of a pool that is too small for what " + at + " does with it"
	case timeline.Network:
		return "wait for the network" + peer + " in " + at
	case timeline.Syscall:
		return "wait for a system call" + peer + " in " + at
	case timeline.GoScheduler:
		return "are runnable and get no P: GOMAXPROCS is too small while " + at + " runs"
	case timeline.OSScheduler:
		return "want to run and get no CPU: other processes have it, or the CPU quota is used up"
	case timeline.Sleep:
		return "sleep in " + at
	case timeline.Stopped:
		return "are stopped with the whole process: by a signal, a debugger or the freezer of its cgroup"
	}
	return "wait in " + at + " for what the profile does not tie to them: labels that goroutines inherit would"
}
