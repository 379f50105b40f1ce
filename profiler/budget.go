package profiler

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
)

// Budget is what the recordings of one process may cost together. Each of them has an event of its own on each CPU, programs of
// its own at each switch of the scheduler, and scans of its own goroutine table: without a common budget ten cost ten times what
// one does. So they divide the rate of on-CPU samples among them, whose timers interrupt the CPUs and cost what nobody can read
// from here; and scans of their tables get together what the rest of the process leaves of its CPU time.
//
// A Budget is made by NewBudget, given to recordings by Options.Budget, and safe for concurrent use.
type Budget struct {
	most float64 // of one core
	host *host   // nil: somebody said how much it may be, whatever else runs

	mu      sync.Mutex
	members []*member
	end     func()        // of the goroutine that keeps it, while there are members
	gone    time.Duration // CPU time of the eBPF programs of members that have left
	at      time.Time     // of the last step
	own     time.Duration // CPU time of this process then
}

// member is a recording that has its part of a budget.
type member struct {
	of              *recording
	programs, scans time.Duration // CPU time of its eBPF programs and of its scans, at the last step
	limit           float64       // of its scans, in cores
}

// NewBudget returns a budget of a share of one core, between 0 and 1; 0 is DefaultBudget, and while the CPUs are busy
// 2.5 % of them where that is less.
func NewBudget(share float64) *Budget {
	b := &Budget{most: cmp.Or(share, DefaultBudget())}
	if share == 0 {
		b.host = newHost(proc.OwnAffinity(), proc.IdleTime)
	}
	return b
}

// DefaultBudget is what a process that does nothing but record may use where nobody says, in cores: DefaultMaxOverhead, and
// from eleven CPUs on, of those that it may run on, 1 % of them.
func DefaultBudget() float64 { return budgetOf(len(proc.OwnAffinity())) }

// shareOfMany is of the CPUs. To take a sample up costs some 4 us, so that the samples of twenty busy CPUs at 1 kHz leave nothing of
// a tenth of a core for scans.
const shareOfMany = 0.01

func budgetOf(cpus int) float64 { return max(DefaultMaxOverhead, shareOfMany*float64(cpus)) }

// now is what all may use, in cores.
func (b *Budget) now(t time.Time) float64 {
	if b.host == nil || float64(len(b.host.cpus))*busyShare >= b.most || !b.host.busy(t) {
		return b.most
	}
	return float64(len(b.host.cpus)) * busyShare
}

// Spent is the CPU time that this process has used so far, with that of the eBPF programs of its recordings.
func (b *Budget) Spent() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := proc.OwnCPU() + b.gone
	for _, m := range b.members {
		d += m.of.programs()
	}
	return d
}

// Rate is what each recording has now of a rate of on-CPU samples that is for all.
func (b *Budget) Rate(hz int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return portion(hz, max(len(b.members), 1))
}

// admit gives a recording its part until leave is called.
func (b *Budget) admit(r *recording) (leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &member{of: r, programs: r.programs(), scans: r.scans()}
	b.members = append(b.members, m)
	b.divide()
	m.restrict(left(b.most, b.most/2) / float64(len(b.members))) // until it is known what the rest takes
	if len(b.members) == 1 {
		b.at, b.own = time.Now(), proc.OwnCPU()
		b.end = beside(context.Background(), b.run)
	}
	return func() { b.leave(m) }
}

func (b *Budget) leave(m *member) {
	b.mu.Lock()
	b.members = slices.DeleteFunc(b.members, func(x *member) bool { return x == m })
	b.gone += m.of.programs()
	b.divide()
	end := b.end
	last := len(b.members) == 0
	b.mu.Unlock()
	if last {
		end() // it may be waiting for the lock
	}
}

// divide gives each member its part of the rate of on-CPU samples.
func (b *Budget) divide() {
	for _, m := range b.members {
		if a, ok := m.of.source.(adjustable); ok {
			_ = a.SetRate(portion(m.of.rate, len(b.members))) // fails for rates that are none
		}
	}
}

// portion is the rate of on-CPU samples of one of n recordings.
func portion(rate, n int) int { return max(rate/n, min(lowestRate, rate)) }

func (b *Budget) run(ctx context.Context) {
	for ctx.Err() == nil {
		proc.Sleep(ctx, b.pause())
		b.mu.Lock()
		b.step(time.Now())
		b.mu.Unlock()
	}
}

// pause is how long it is until the next step.
func (b *Budget) pause() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.few() {
		return shareRare
	}
	return shareEvery
}

// few says whether the scans of all members are: then there is little to divide, and what the programs of each take is a question to the
// kernel.
func (b *Budget) few() bool {
	return !slices.ContainsFunc(b.members, func(m *member) bool { return m.of.options.Scans > source.FewScans })
}

// step compares what was used since the last one with the budget; mu is locked.
func (b *Budget) step(now time.Time) {
	own := proc.OwnCPU()
	length, others := now.Sub(b.at).Seconds(), own-b.own
	b.at, b.own = now, own
	used, limits := make([]float64, len(b.members)), make([]float64, len(b.members))
	for i, m := range b.members {
		programs, scans := m.of.programs(), m.of.scans()
		others += (programs - m.programs) - (scans - m.scans)
		used[i], limits[i] = (scans-m.scans).Seconds()/length, m.limit
		m.programs, m.scans = programs, scans
	}
	for i, limit := range portions(left(b.now(now), others.Seconds()/length), used, limits) {
		b.members[i].restrict(limit)
	}
}

// restrict limits the scans of the member's table.
func (m *member) restrict(limit float64) {
	if m.limit = limit; m.of.table != nil {
		m.of.table.Limit(limit)
	}
}

// portions divides what all tables may use. One that used much less than it may gets no more than it can grow into, and the
// others get the rest of its part in equal parts.
func portions(all float64, used, limits []float64) []float64 {
	n := len(used)
	wants, order, parts := make([]float64, n), make([]int, n), make([]float64, n)
	for i := range used {
		order[i], wants[i] = i, math.Inf(1)
		if used[i] < limits[i]/2 {
			wants[i] = max(2*used[i], all/float64(4*n))
		}
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(wants[i], wants[j]) })
	for k, i := range order {
		parts[i] = min(wants[i], all/float64(n-k))
		all -= parts[i]
	}
	for i := range parts {
		parts[i] += all / float64(n) // that nobody wants now
	}
	return parts
}
