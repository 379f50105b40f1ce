package summary

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func (c *CPU) merge(next *CPU, share float64) {
	c.Samples += next.Samples
	c.Lost += next.Lost
	c.Profiled += next.Profiled
	c.Rusage += next.Rusage
	c.Counted += next.Counted
	c.Stolen += next.Stolen
	c.RateReached += share * next.RateReached
	if c.Profiled > 0 {
		c.RateReached = float64(c.Samples+c.Lost) / (float64(c.Profiled) / 1e9)
	}
}

func (c *Children) merge(next *Children) {
	c.CPUTime += next.CPUTime
	c.Running = next.Running
}

func (t *Table) merge(next *Table, share float64) {
	t.Wall += next.Wall
	t.Rate += share * next.Rate
	t.Missed += next.Missed
	t.Running += next.Running
	t.First = next.First // of the whole stream
	t.Slowest = max(t.Slowest, next.Slowest)
	t.Thread += next.Thread
	t.Lowest += share * next.Lowest
	t.Torn += next.Torn
}

func (h *Host) merge(next *Host, share float64) {
	quota := h.Quota + share*next.Quota
	*h = *next
	h.Quota = quota
}

func (c *Coverage) merge(next *Coverage) {
	c.Created += next.Created
	c.Seen += next.Seen
	c.Idle = next.Idle
	c.Unwatched += next.Unwatched
	c.New += next.New
	c.At100 += next.At100
	c.Lives = addLives(c.Lives, next.Lives)
	c.Lifetimes = next.Lifetimes
}

func addLives(a, b []sample.Life) []sample.Life {
	sum := slices.Clone(b)
	if len(a) == len(b) {
		for i := range sum {
			sum[i].Seen += a[i].Seen
			sum[i].At100 += a[i].At100
		}
	}
	return sum
}

func (g *GC) merge(next *GC) {
	g.Mark = plus(g.Mark, next.Mark)
	g.Stops = plus(g.Stops, next.Stops)
	g.StopTime = plus(g.StopTime, next.StopTime)
	g.StopMax = most(g.StopMax, next.StopMax)
	g.Others = plus(g.Others, next.Others)
	g.OtherTime = plus(g.OtherTime, next.OtherTime)
	g.OtherMax = most(g.OtherMax, next.OtherMax)
}

func (a *Accepts) merge(next *Accepts) {
	all := slices.Clone(next.Queues)
	for _, q := range a.Queues {
		if i := slices.IndexFunc(all, func(x sample.AcceptQueue) bool { return x.Addr == q.Addr }); i >= 0 {
			all[i].Add(q)
		} else {
			all = append(all, q)
		}
	}
	a.Queues = all
}

// plus is a+b, or -1 where one of them is not known.
func plus(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

// most is the larger one, or -1 where one of them is not known.
func most(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return max(a, b)
}

func (l *Labels) merge(next *Labels, share float64) {
	l.Unlabeled += share * next.Unlabeled
	l.Completed += next.Completed
	l.Truncated += next.Truncated
	l.Gone += next.Gone
	l.GoneTime += next.GoneTime
	l.Foreign += next.Foreign
	l.Renamed = next.Renamed
	l.Traps = mergeTraps(l.Traps, next.Traps)
	l.Repaired += next.Repaired
}

func (e *Exact) merge(next *Exact) {
	all := slices.Clone(next.Sets)
	for _, x := range e.Sets {
		same := func(y sample.ExactCPU) bool { return y.Kind == x.Kind && slices.Equal(y.Labels, x.Labels) }
		i := slices.IndexFunc(all, same)
		if i < 0 {
			all = append(all, x)
			continue
		}
		all[i].CPU += x.CPU
		all[i].Error += x.Error
		all[i].Stints += x.Stints
	}
	e.Sets = sample.MostCPU(all)
}

func (e *Events) merge(next *Events, share float64) {
	all := slices.Clone(e.Counts)
	for _, c := range next.Counts {
		i := slices.IndexFunc(all, func(x sample.EventCount) bool { return x.Name == c.Name })
		if i < 0 {
			i, all = len(all), append(all, sample.EventCount{Name: c.Name})
		}
		all[i].Add(c, share)
	}
	e.Counts = all
}

// mergeTraps adds up the time of functions of timers. Who keeps labels is known as of the end.
func mergeTraps(a, b []sample.LabelTrap) []sample.LabelTrap {
	all := slices.Clone(b)
	for _, t := range a {
		if t.Kind != sample.TrapTimer {
			continue
		}
		if i := slices.IndexFunc(all, func(x sample.LabelTrap) bool { return x.Kind == sample.TrapTimer }); i >= 0 {
			all[i].Time += t.Time
			all[i].CPU += t.CPU
		} else {
			all = append(all, t)
		}
	}
	return all
}

func (s *Stacks) merge(next *Stacks, share float64) {
	s.Rooted += share * next.Rooted
	s.Callers += next.Callers
}

func (b *Budget) merge(next *Budget, share float64) {
	b.Most += share * next.Most
	b.Used += share * next.Used
	b.Acts = next.Acts
}

func (s *Self) merge(next *Self) {
	s.CPUTime += next.CPUTime
	s.Programs += next.Programs
	s.RSS = max(s.RSS, next.RSS)
	s.Attach = next.Attach
}
