package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// processFlags name the processes of a fleet.
type processFlags struct {
	pids []int
	all  bool // Go processes of this host
}

const mostProcesses = 50 // each takes some threads, files, and megabytes

// define defines the flags; does is what the command does with a process.
func (f *processFlags) define(fl *pflag.FlagSet, does string) {
	fl.IntSliceVarP(&f.pids, "pid", "p", nil, does+" the process with this `PID`; may be repeated")
	fl.BoolVar(&f.all, "all", false, does+" all Go processes of this host that can be, also those that begin later")
}

// check finds what is wrong with the flags, and puts the ids in order.
func (f *processFlags) check(command string) error {
	switch {
	case len(f.pids) == 0 && !f.all:
		return usagef("%s: need a process (-p PID), or --all; mayfly list shows the Go processes", command)
	case len(f.pids) > 0 && f.all:
		return usagef("%s: either -p PID or --all, not both", command)
	case len(f.pids) > 0 && slices.Min(f.pids) <= 0:
		return usagef("%s: %d is not a PID", command, slices.Min(f.pids))
	}
	slices.Sort(f.pids)
	if f.pids = slices.Compact(f.pids); len(f.pids) > mostProcesses {
		return usagef("%s: %d processes: %d at most", command, len(f.pids), mostProcesses)
	}
	return nil
}

// several says whether there may be more than one process.
func (f *processFlags) several() bool { return f.all || len(f.pids) > 1 }

// fleetOptions say what a fleet records, and how.
type fleetOptions struct {
	processFlags
	command string // whose it is
	once    bool   // processes are searched for once
	// grown is how long a process that comes later has to be there before it costs a start: many a one of a build or a shell is over
	// by then.
	grown    time.Duration
	chosen   func(p *proc.Process, main string) bool // which of all Go processes are meant; nil: each
	search   time.Duration                           // how often they are searched for; 0: once in an interval
	execs    bool                                    // they are to be seen when they begin, where that can be
	overhead percentage
	host     *profiler.Host         // nil: each recording has its own events
	options  profiler.StreamOptions // of each process
}

// A fleet records processes, each in a stream of its own, within one budget. A start reads the program's tables, which takes up
// to a third of a second of CPU time: one process starts after the other.
type fleet struct {
	fleetOptions
	budget *profiler.Budget
	emit   func(event) error  // from several goroutines, of a process from one; an error ends the stream of the process
	turn   chan struct{}      // has room for the one that starts
	anew   chan struct{}      // has something where all are to be judged by chosen again
	ps     int                // that the runtime has for one stream; 0: somebody else has said how many it has
	hears  atomic.Bool        // processes are seen when they begin
	meant  func(pid int) bool // whether a process executes a program that is to be recorded; nil: whatever it executes

	mu      sync.Mutex
	streams int
	cost    topCost
}

// event is what is heard of a process: that it is there, that the first sample may come, an interval, or its end.
type event struct {
	pid   int
	name  string
	begun bool
	rec   *profiler.Recording // nil: the process is new, its recording has begun, or it is over
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

func newFleet(e *env, o fleetOptions, emit func(event) error) *fleet {
	fl := &fleet{fleetOptions: o, budget: profiler.NewBudget(float64(o.overhead)), emit: emit, turn: make(chan struct{}, 1),
		anew: make(chan struct{}, 1)}
	fl.cost = topCost{at: time.Now(), spent: fl.budget.Spent()}
	many := o.options.Mode != profiler.CPU && (o.options.Scans == 0 || o.options.Scans > source.FewScans)
	if e.getenv("GOMAXPROCS") == "" && many {
		fl.ps = runtime.GOMAXPROCS(0)
	}
	return fl
}

// judge has all processes judged again, those that are recorded, too: chosen says something else from now on.
func (fl *fleet) judge() {
	select {
	case fl.anew <- struct{}{}:
	default: // that has not begun yet
	}
}

// record records one process until ctx ends or the process is over, or until emit has had enough, which is what it returns then.
func (fl *fleet) record(ctx context.Context, pid int) error {
	of := event{pid: pid, name: nameOf(pid)}
	err := fl.emit(of)
	if err == nil {
		err = fl.stream(ctx, of)
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if of.over = true; !errors.Is(err, errEnough) {
		of.err = err
	}
	return cmp.Or(err, fl.emit(of))
}

// errEnough ends a stream from within.
var errEnough = errors.New("enough")

// errOther is that the program that was to be recorded is no more, and the process executes another one that is none of them.
var errOther = fmt.Errorf("it has executed another program: %w", profiler.ErrNoProcess)

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
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	o, begun := fl.options, false
	o.OneProgram, o.Budget, o.Host = fl.meant != nil, fl.budget, fl.host
	o.Started = func(profiler.Summary) {
		started()
		// What is executed from now on ends the stream. What was until now may be another program than was found.
		if begun = fl.meant == nil || fl.meant(of.pid); !begun {
			stop()
			return
		}
		_ = fl.emit(event{pid: of.pid, name: of.name, begun: true}) // who has had enough says so at the first interval
	}
	err := profiler.Stream(ctx, of.pid, o, func(rec *profiler.Recording) error {
		if !begun {
			return errOther
		}
		of.rec, of.costs = rec, fl.costs()
		return fl.emit(of)
	})
	if err == nil && !begun {
		err = cmp.Or(ctx.Err(), errOther)
	}
	return err
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
	if past := now.Sub(c.at); past >= fl.options.Every {
		spent := fl.budget.Spent()
		*c = topCost{now, spent, (spent - c.spent).Seconds() / past.Seconds(), fl.budget.Rate(fl.options.Rate)}
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
