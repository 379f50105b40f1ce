package report

import (
	"fmt"
	"strings"
)

// What the sentence says of each kind: what the slow requests do, and what holds them up.
var symptoms = map[kind]string{
	cpu: "computes", gc: "helps the garbage collector", lock: "waits for a lock", channel: "waits on a channel",
	pool: "waits for a connection of the pool", network: "waits for the network", syscall: "is in a system call",
	goScheduler: "waits for a P", osScheduler: "waits for a CPU", sleep: "sleeps", stopped: "is stopped", children: "waits for its goroutines", unknown: "does something unknown",
}

var holders = map[kind]string{
	lock: "the lock is held by", channel: "the other end is", pool: "the connections are held by", goScheduler: "the Ps are held by",
}

// words are the steps of a chain in words. Each is a clause whose subject is what the step before is about.
func (b *blamer) words(steps []link) []string {
	out := []string{}
	subject := "a slow request"
	for _, s := range steps {
		name := ""
		if s.at.fn >= 0 {
			name = shortName(b.funcs[s.at.fn].name)
		}
		switch s.role {
		case waitsFor:
			out = append(out, subject+" "+symptoms[s.kind]+in(name))
			subject = "which"
		case heldBy:
			out = append(out, strings.TrimSpace(holders[s.kind]+" "+name))
			subject = "which"
		case behind:
			if name == "" {
				out = append(out, subject+" is runnable and gets no P")
			} else {
				out = append(out, subject+" is runnable behind "+name)
			}
			subject = "which"
		case started:
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
func (c *Cause) sentence(g group) string {
	who := "slow requests"
	if g.value != "" {
		who = g.value + " is slow: its slow requests"
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
	case CPU:
		return "are held up by the CPU time of " + at
	case GC:
		return "pay for the garbage collector, which " + at + " keeps busy"
	case Lock:
		return "wait for a lock that is held over what " + at + " does"
	case Channel:
		return "wait in a queue for " + at + ", which serves one after the other"
	case Pool:
		return "wait for a connection of a pool that is too small for what " + at + " does with it"
	case Network:
		return "wait for the network" + peer + " in " + at
	case Syscall:
		return "wait for a system call" + peer + " in " + at
	case GoScheduler:
		return "are runnable and get no P: GOMAXPROCS is too small while " + at + " runs"
	case OSScheduler:
		return "want to run and get no CPU: other processes have it, or the CPU quota is used up"
	case Sleep:
		return "sleep in " + at
	case Stopped:
		return "are stopped with the whole process: by a signal, a debugger or the freezer of its cgroup"
	}
	return "wait in " + at + " for what the profile does not tie to them: labels that goroutines inherit would"
}
