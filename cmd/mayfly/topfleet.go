package main

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// A fleet records the processes of top, each in a stream of its own, within one budget. A start reads the program's tables,
// which takes up to a third of a second of CPU time: one process starts after the other.
type fleet struct {
	flags  *topFlags
	budget *profiler.Budget
	emit   func(event) error // from several goroutines; an error ends the stream of the process
	turn   chan struct{}     // has room for the one that starts
	ps     int               // that the runtime has for one stream; 0: somebody else has said how many it has

	mu      sync.Mutex
	streams int
	cost    topCost
}

// event is what is heard of a process: that it is there, an interval, or its end.
type event struct {
	pid   int
	name  string
	rec   *profiler.Recording // nil: the process is new, or it is over
	over  bool
	err   error // why it is over; nil: it ended
	costs topCost
	gone  bool   // it is over, and no process has its id any more
	note  string // of no process: what is missing
}

// topCost is what mayfly takes for all processes.
type topCost struct {
	at    time.Time
	spent time.Duration // CPU time, up to then
	share float64       // of one core, in the interval before
	rate  int           // of on-CPU samples of each process, Hz
}

func newFleet(e *env, f *topFlags, emit func(event) error) *fleet {
	fl := &fleet{flags: f, budget: profiler.NewBudget(float64(f.overhead)), emit: emit, turn: make(chan struct{}, 1)}
	fl.cost = topCost{at: time.Now(), spent: fl.budget.Spent()}
	if e.getenv("GOMAXPROCS") == "" {
		fl.ps = runtime.GOMAXPROCS(0)
	}
	return fl
}

// record records one process, after a while, until ctx ends or the process is over.
func (fl *fleet) record(ctx context.Context, pid int, wait time.Duration) error {
	of := event{pid: pid, name: nameOf(pid)}
	err := fl.emit(of)
	if err == nil && (wait == 0 || sleepContext(ctx, wait)) {
		err = fl.stream(ctx, of)
	}
	if errors.Is(err, errEnough) || errors.Is(err, context.Canceled) {
		err = nil
	}
	of.over, of.err = true, err
	return cmp.Or(err, fl.emit(of))
}

// errEnough ends a stream from within.
var errEnough = errors.New("enough")

func (fl *fleet) stream(ctx context.Context, of event) error {
	select {
	case fl.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	started := sync.OnceFunc(func() { <-fl.turn })
	defer started()
	fl.count(1)
	defer fl.count(-1)
	o := fl.flags.options()
	o.Budget, o.Started = fl.budget, func(profiler.Summary) { started() }
	return profiler.Stream(ctx, of.pid, o, func(rec *profiler.Recording) error {
		of.rec, of.costs = rec, fl.costs()
		return fl.emit(of)
	})
}

// count makes the runtime have a P more for each further stream: the thread that scans a goroutine table keeps one.
func (fl *fleet) count(n int) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.streams += n; fl.ps > 0 {
		runtime.GOMAXPROCS(fl.ps + max(fl.streams-1, 0))
	}
}

// costs is what mayfly took in the last interval.
func (fl *fleet) costs() topCost {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	c := &fl.cost
	now := time.Now()
	if past := now.Sub(c.at); past >= time.Duration(fl.flags.every) {
		spent := fl.budget.Spent()
		*c = topCost{now, spent, (spent - c.spent).Seconds() / past.Seconds(), fl.budget.Rate(fl.flags.rate)}
	}
	return *c
}

// nameOf is what the process was started as.
func nameOf(pid int) string {
	p, err := proc.Open(pid)
	if err != nil {
		return ""
	}
	defer p.Close()
	return printable.Line(programName(p))
}
