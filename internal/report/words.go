package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/blame"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// What the sentence says of each kind: what the slow requests do, and what holds them up.
var symptoms = map[timeline.Kind]string{
	timeline.CPU: "computes", timeline.GC: "helps the garbage collector", timeline.Lock: "waits for a lock",
	timeline.Channel: "waits on a channel",
	timeline.Pool:    "waits for a connection of the pool", timeline.Limit: "waits for a place", timeline.Network: "waits for the network",
	timeline.Syscall: "is in a system call", timeline.GoScheduler: "waits for a P", timeline.OSScheduler: "waits for a CPU",
	timeline.Quota: "waits for its control group's CPU quota",
	timeline.Timer: "waits for a timer", timeline.Stopped: "is stopped", timeline.Children: "waits for its goroutines",
	timeline.Unknown: "does something unknown",
}

var holders = map[timeline.Kind]string{
	timeline.Lock: "the lock is held by", timeline.Channel: "the other end is", timeline.Pool: "the connections are held by",
	timeline.Limit: "the places are held by", timeline.GoScheduler: "the Ps are held by",
}

// words are the steps of a chain in words. Each is a clause whose subject is what the step before is about.
func (b reporter) words(steps []blame.Link) []string {
	out := []string{}
	subject := "a slow request"
	say := func(next, format string, args ...any) {
		out = append(out, fmt.Sprintf(format, args...))
		subject = next
	}
	for _, s := range steps {
		name := ""
		if s.At.Fn >= 0 {
			name = shortName(b.Funcs[s.At.Fn].Name)
		}
		switch {
		case s.Role == blame.WaitsFor:
			say("which", "%s %s%s", subject, symptoms[s.Kind], in(name))
		case s.Role == blame.HeldBy:
			say("which", "%s", strings.TrimSpace(holders[s.Kind]+" "+name))
		case s.Role == blame.Behind && name == "":
			say("which", "%s is runnable and gets no P", subject)
		case s.Role == blame.Behind:
			say("which", "%s is runnable behind %s", subject, name)
		case s.Role == blame.Started:
			say("one of them", "%s waits for goroutines that %s started", subject, name)
		case s.Role == blame.WokenBy:
			say("which", "that is ended by a goroutine in %s", name)
		case s.Role == blame.Itself:
			say("which", "%s waits in %s for an answer of the process itself", subject, name)
		case s.Role == blame.Joins:
			say("that one", "%s waits in %s for the call that another request makes", subject, name)
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
	explains := "that explains"
	if c.Share < half {
		explains = "that is the largest of several causes, and explains"
	}
	time := "extra time"
	if c.alone {
		time = "time (no request was fast, to compare them with)"
	}
	also := ""
	if c.Also != "" {
		also = ", and " + c.Also + " nearly as much"
	}
	return fmt.Sprintf("%s %s; %s %.0f %% of their %s%s.", who, c.reason(where), explains, 100*c.Share, time, also)
}

// half is the share of the excess below which a cause is one of several.
const half = 0.5

func base(file string) string { return file[strings.LastIndexByte(file, '/')+1:] }

// reason is what the sentence says of the kind.
func (c *Cause) reason(where string) string {
	at := where
	if at == "" {
		at = "the program"
	}
	switch c.Kind {
	case timeline.CPU:
		return "are held up by the CPU time of " + at
	case timeline.GC:
		return "pay for the garbage collector, which " + at + " keeps busy"
	case timeline.Lock:
		return "wait for a lock that " + at + " holds"
	case timeline.Channel:
		return "wait in a queue for " + at + c.serves()
	case timeline.Pool:
		return "wait for " + c.number("a connection of a pool", "one of the %d connections of a pool") + " that is too small for what " +
			at + " does with it"
	case timeline.Limit:
		return "wait for " + c.number("a place", "one of %d places") + " of a limit of the program's own, which " + at + " holds"
	case timeline.Network:
		return "wait for " + cmp.Or(c.what, "the network") + c.with() + " in " + at
	case timeline.Syscall:
		return "wait for a system call" + c.with() + " in " + at
	case timeline.GoScheduler:
		if where == "" {
			return "are runnable and do not run, while no other goroutine is seen to"
		}
		return "are runnable and get no P: GOMAXPROCS is too small while " + at + " runs"
	case timeline.OSScheduler:
		return "are runnable and get no CPU: other processes have it"
	case timeline.Quota:
		return "are runnable and may not run: the CPU quota" + c.quota() + " of the control group is used up, most of it by " + at
	case timeline.Timer:
		return "wait for " + cmp.Or(c.what, "a timer") + " in " + at
	case timeline.Stopped:
		return "are stopped with the whole process: by a signal, a debugger or the freezer of its cgroup"
	}
	return "wait in " + at + "; the recording does not say for whom"
}

// quota is the quota in brackets.
func (c *Cause) quota() string {
	if c.Quota == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.2f CPUs)", c.Quota)
}

// serves is how many are served at a time, where that is known.
func (c *Cause) serves() string {
	switch c.Limit {
	case 0:
		return ""
	case 1:
		return ", which serves one after the other"
	}
	return fmt.Sprintf(", which serves %d at a time", c.Limit)
}

// number is a phrase with the limit in it, or the one without where that is not known.
func (c *Cause) number(without, with string) string {
	if c.Limit < 2 {
		return without
	}
	return fmt.Sprintf(with, c.Limit)
}

// with is the peer in brackets.
func (c *Cause) with() string {
	if c.Peer == "" {
		return ""
	}
	return " (" + c.Peer + ")"
}
