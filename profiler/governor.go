package profiler

// A session runs beside a service that earns money with its CPUs, so it has a budget: a share of the
// machine. Each second the governor compares what the helper has used with that. Looks at the
// goroutine table are the larger part and have a budget of their own already (package goroutine),
// which is set to what the rest leaves. If the rest alone is too much, the on-CPU samples become
// rarer. Both come back when there is room. What an eBPF program or the kernel's own work costs
// the target is not in these numbers: nobody can read it from here.
//
// A helper's start is not governed: it reads the program's tables once, some 50 to 300 ms of CPU time.

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"
)

const (
	governEvery = time.Second
	lowestRate  = 49 // Hz, to which on-CPU samples may be lowered
)

// governor keeps a recording within its budget.
type governor struct {
	r     *recording
	share float64 // of the machine
	rate  int     // of on-CPU samples, now

	begin, last struct {
		at         time.Time
		cpu, table time.Duration
	}
	lowest int
}

// adjustable is an on-CPU source whose rate can be changed while it runs.
type adjustable interface{ SetRate(hz int) error }

func newGovernor(r *recording, share float64) *governor {
	g := &governor{r: r, share: share, rate: r.rate, lowest: r.rate}
	g.last.at, g.last.cpu, g.last.table = time.Now(), selfCPU(), g.tableCPU()
	g.begin = g.last
	return g
}

func (g *governor) run(ctx context.Context) {
	t := time.NewTicker(governEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			g.step()
		}
	}
}

func (g *governor) tableCPU() time.Duration {
	if g.r.table == nil {
		return 0
	}
	return g.r.table.Stats().CPU
}

// step compares the last second with the budget.
func (g *governor) step() {
	now := g.last
	now.at, now.cpu, now.table = time.Now(), selfCPU(), g.tableCPU()
	wall := now.at.Sub(g.last.at).Seconds()
	others := ((now.cpu - g.last.cpu) - (now.table - g.last.table)).Seconds() / wall
	g.last = now
	budget := cores(g.share)
	if g.r.table != nil {
		g.r.table.Limit(max(budget-others, budget/4))
	}
	if a, ok := g.source(); ok {
		if hz := nextRate(g.rate, g.r.rate, others/budget); hz != g.rate && a.SetRate(hz) == nil {
			g.rate, g.lowest = hz, min(g.lowest, hz)
		}
	}
}

func (g *governor) source() (adjustable, bool) {
	s, ok := g.r.source.(adjustable)
	return s, ok
}

// nextRate is the rate of on-CPU samples after a second in which all but the table's looks used
// spent times the budget. Three quarters are theirs at most.
func nextRate(now, asked int, spent float64) int {
	switch {
	case spent > 0.75:
		return max(now/2, min(lowestRate, asked))
	case spent < 0.3 && now < asked:
		return min(now*2, asked)
	}
	return now
}

// tell writes down what it did.
func (g *governor) tell(s *Summary) {
	s.MaxOverhead = g.share
	if d := time.Since(g.begin.at).Seconds(); d > 0 {
		s.Overhead = (selfCPU() - g.begin.cpu).Seconds() / d / float64(runtime.NumCPU())
	}
	var did []string
	if g.r.table != nil {
		if st := g.r.table.Stats(); st.Lowest < 0.99*st.Asked {
			did = append(did, fmt.Sprintf("looks lowered to %.0f Hz at times", st.Lowest))
		}
	}
	if g.lowest < g.r.rate {
		did = append(did, fmt.Sprintf("samples on a CPU lowered to %d Hz at times", g.lowest))
	}
	s.Governor = strings.Join(did, "; ")
}

// cores is a share of the machine as a number of its CPUs.
func cores(share float64) float64 { return share * float64(runtime.NumCPU()) }
