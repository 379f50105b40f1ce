package profiler

// Scans of the goroutine table are the larger part of what mayfly costs, and have a budget of their own
// (package goroutine). Where the budget is for all of mayfly, what the rest of the process has used is
// compared with it four times a second, and the table gets what that leaves (budget.go).
//
// A session runs beside a service that earns money with its CPUs: its budget is a share of the
// machine, and if the rest alone is too much, the on-CPU samples become rarer. Both come back when
// there is room. What the eBPF programs take is told by themselves and counts as the process's own. What the
// kernel does for them, interrupts above all, is not in these numbers: nobody can read it from here.
//
// A start is not governed: it reads the program's tables once, some 50 to 300 ms of CPU time.

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

const (
	governEvery = time.Second
	shareEvery  = 250 * time.Millisecond
	shareRare   = time.Second // where scans are few
	lowestRate  = 49          // Hz, to which on-CPU samples may be lowered
)

// governor keeps a recording within its budget.
type governor struct {
	r     *recording
	share float64 // of the machine
	rate  int     // of on-CPU samples, now

	meter  meter
	begin  spending
	lowest atomic.Int64
}

// spending is CPU time that was used up to a moment.
type spending struct {
	at         time.Time
	cpu, table time.Duration // of the process and its eBPF programs, and of it for scans of the table
}

func (r *recording) spending() spending {
	return spending{time.Now(), proc.OwnCPU() + r.programs(), r.scans()}
}

// scans is what scans of the goroutine table have taken.
func (r *recording) scans() time.Duration {
	if r.table == nil {
		return 0
	}
	return r.table.Stats().CPU
}

// programs is what the eBPF programs have taken of the CPUs that the target and others run on.
func (r *recording) programs() (d time.Duration) {
	if s, ok := r.source.(interface{ Cost() time.Duration }); ok {
		d = s.Cost()
	}
	if r.sched != nil {
		d += r.sched.Cost()
	}
	return d + r.eventsCost()
}

// meter tells what the process uses besides looking at the table.
type meter struct {
	r    *recording
	last spending
}

// others is that since the last call, in cores.
func (m *meter) others() float64 {
	then := m.last
	m.last = m.r.spending()
	return ((m.last.cpu - then.cpu) - (m.last.table - then.table)).Seconds() / m.last.at.Sub(then.at).Seconds()
}

// left is what others leave of a budget, in cores: a quarter of it at least.
func left(budget, others float64) float64 { return max(budget-others, budget/4) }

// beside runs what in a goroutine of its own. What it returns ends that, and returns when it has ended: what it
// looks at can then be closed.
func beside(ctx context.Context, what func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		what(ctx)
	}()
	return func() { cancel(); <-done }
}

// adjustable is an on-CPU source whose rate can be changed while it runs.
type adjustable interface{ SetRate(hz int) error }

func newGovernor(r *recording, share float64) *governor {
	g := &governor{r: r, share: share, rate: r.rate}
	g.lowest.Store(int64(r.rate))
	g.begin = r.spending()
	g.meter = meter{r, g.begin}
	return g
}

func (g *governor) run(ctx context.Context) {
	for range proc.Ticks(ctx, governEvery) {
		g.step()
	}
}

// step compares the last second with the budget.
func (g *governor) step() {
	others, budget := g.meter.others(), cores(g.share)
	if g.r.table != nil {
		g.r.table.Limit(left(budget, others))
	}
	if a, ok := g.source(); ok {
		if hz := nextRate(g.rate, g.r.rate, others/budget); hz != g.rate && a.SetRate(hz) == nil {
			g.rate = hz
			g.lowest.Store(min(g.lowest.Load(), int64(hz)))
		}
	}
}

func (g *governor) source() (adjustable, bool) {
	s, ok := g.r.source.(adjustable)
	return s, ok
}

// nextRate is the rate of on-CPU samples after a second in which all but the table's scans used
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
	s.Budget.Most = g.share
	if d := time.Since(g.begin.at).Seconds(); d > 0 {
		s.Budget.Used = (g.r.spending().cpu - g.begin.cpu).Seconds() / d / proc.CPUs()
	}
	var did []string
	if g.r.table != nil {
		if st := g.r.table.Stats(); st.Lowest < 0.99*st.Asked {
			did = append(did, fmt.Sprintf("scans lowered to %.0f Hz at times", st.Lowest))
		}
	}
	if lowest := g.lowest.Load(); lowest < int64(g.r.rate) {
		did = append(did, fmt.Sprintf("samples on a CPU lowered to %d Hz at times", lowest))
	}
	s.Budget.Acts = strings.Join(did, "; ")
}

// cores is a share of the machine as a number of its CPUs, or of the quota of CPU time that the process has: beyond it a
// helper would throttle the service.
func cores(share float64) float64 { return share * proc.CPUs() }
