package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// run records until ctx ends, or all processes that were named are over. The error says which of those could not be recorded.
func (fl *fleet) run(ctx context.Context) error {
	if fl.all {
		return newFinder(fl).run(ctx)
	}
	errs := make([]error, len(fl.pids))
	var wg sync.WaitGroup
	for i, pid := range fl.pids {
		wg.Go(func() {
			if err := fl.record(ctx, pid); !errors.Is(err, errEnough) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// A finder finds the Go processes of this host for --all, and has a fleet record them. A process may become one by
// execve, or by a library that it loads: the new ones are inspected some times, the others now and then.
type finder struct {
	fleet  *fleet
	images goruntime.Images
	others map[int]int   // processes that are none of ours so far, and how often they were seen
	rare   time.Duration // searchRare
	begun  chan begin    // what is old enough
	grows  atomic.Int32  // how many are not
	wg     sync.WaitGroup

	mu      sync.Mutex
	have    map[int]bool               // Go processes, and whether they are recorded, or about to be; false: that failed
	refused map[int]bool               // those of them for which there was no room
	stops   map[int]context.CancelFunc // end those recordings that are not ending yet
}

const (
	searchEvery = time.Second     // at most
	searchRare  = 5 * time.Second // where they are seen when they begin: for what was lost, and for libraries that are loaded later
	searchesNew = 3               // in which a process that is new is inspected
	searchesAll = 30              // in each so many-th the others are, too
)

func newFinder(fl *fleet) *finder {
	x := &finder{fleet: fl, rare: searchRare, begun: make(chan begin, mostBegun), others: make(map[int]int), have: make(map[int]bool),
		refused: make(map[int]bool), stops: make(map[int]context.CancelFunc)}
	if !fl.once {
		fl.meant = func(pid int) bool { _, err := x.inspect(pid); return err == nil }
	}
	return x
}

// run searches until ctx ends.
func (x *finder) run(ctx context.Context) error {
	defer x.wg.Wait()
	often := cmp.Or(x.fleet.search, max(x.fleet.options.Every, searchEvery))
	listening, stop := context.WithCancel(ctx)
	defer stop()
	if x.fleet.execs {
		if err := x.listen(listening); err == nil {
			often = x.rare
		} else if err := x.fleet.emit(event{note: fmt.Sprintf("new processes are searched for every %s: %v", often, err)}); err != nil {
			return err
		}
	}
	t := time.NewTicker(often)
	defer t.Stop()
	wait := time.Duration(0)
	for first := true; ; first = false {
		denied, err := x.search(ctx, wait)
		if err != nil {
			return err
		}
		if first && denied > 0 {
			note := fmt.Sprintf("could not look into %d other %s: %s", denied, plural(denied, "process", "processes"), deniedRemedy(x.fleet.command))
			if err := x.fleet.emit(event{note: note}); err != nil {
				return err
			}
		}
		if x.fleet.once {
			return nil
		}
		if wait, err = x.hear(ctx, t.C); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// search has the processes recorded that are new, when they have been there for some time. It returns how many others could not
// be inspected.
func (x *finder) search(ctx context.Context, wait time.Duration) (denied int, err error) {
	pids, err := proc.List()
	if err != nil {
		return 0, err
	}
	due, gone := x.due(pids)
	for _, pid := range gone {
		if err := x.fleet.emit(event{pid: pid, gone: true}); err != nil {
			return 0, err
		}
	}
	for _, a := range inspectAll(due, x.inspect) {
		switch {
		case errors.Is(a.err, fs.ErrPermission):
			denied++
		case a.err == nil && wait == 0:
			delete(x.others, a.pid)
			x.begin(ctx, a.pid)
		case a.err == nil:
			x.later(begin{pid: a.pid}, wait)
		}
	}
	return denied, nil
}

var (
	errNotChosen = errors.New("not chosen")               // nobody asked for this Go process
	errYoung     = errors.New("does not yet execute one") // a program: who it is, is not known before
)

// inspect names the program of a Go process that is meant.
func (x *finder) inspect(pid int) (main string, err error) {
	p, err := proc.Open(pid)
	if err != nil {
		return "", err
	}
	defer p.Close()
	if p.Young() {
		return "", errYoung
	}
	if main, err = namedProgram(p, &x.images); err == nil && x.fleet.chosen != nil && !x.fleet.chosen(p, main) {
		err = errNotChosen
	}
	return main, err
}

// due are the processes that are to be inspected, and those that could not be recorded and are gone, or get another try.
func (x *finder) due(pids []int) (due, gone []int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	gone = x.admitted()
	others := make(map[int]int, len(pids))
	for _, pid := range pids {
		if _, ok := x.have[pid]; ok {
			continue
		}
		seen := x.others[pid]
		if seen < searchesNew || seen%searchesAll == 0 {
			due = append(due, pid)
		}
		others[pid] = seen + 1
	}
	x.others = others
	for pid, recorded := range x.have {
		if !recorded && !slices.Contains(pids, pid) {
			x.forget(pid)
			gone = append(gone, pid)
		}
	}
	return due, gone
}

// forget is for a process that is no more, or is to be inspected anew; mu is locked.
func (x *finder) forget(pid int) {
	delete(x.have, pid)
	delete(x.refused, pid)
}

// admitted are processes that were refused, as many as there is room for by now.
func (x *finder) admitted() (pids []int) {
	room := mostProcesses - len(x.stops)
	for pid := range x.refused {
		if len(pids) >= room {
			break
		}
		x.forget(pid)
		pids = append(pids, pid)
	}
	return pids
}

// judge ends the recordings of processes that are no longer meant; their places are free at once. All that is not recorded is new to the
// next search.
func (x *finder) judge() {
	clear(x.others)
	x.mu.Lock()
	maps.DeleteFunc(x.have, func(_ int, recorded bool) bool { return !recorded })
	clear(x.refused)
	pids := slices.Collect(maps.Keys(x.stops))
	x.mu.Unlock()
	for _, a := range inspectAll(pids, x.inspect) {
		if errors.Is(a.err, errNotChosen) {
			x.leave(a.pid)
		}
	}
}

// leave ends a recording. Until it has ended the process is not inspected; then it is, since by then it may be meant again.
func (x *finder) leave(pid int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if stop := x.stops[pid]; stop != nil {
		stop()
		delete(x.stops, pid)
	}
}

// begin has a process recorded.
func (x *finder) begin(ctx context.Context, pid int) {
	ctx, stop := context.WithCancel(ctx)
	err := x.admit(pid, stop)
	x.wg.Go(func() {
		defer stop()
		if err != nil {
			_ = x.fleet.emit(event{pid: pid, name: nameOf(pid), over: true, err: err})
			return
		}
		if x.end(pid, x.fleet.record(ctx, pid)) {
			x.later(begin{pid: pid}, x.fleet.grown)
		}
	})
}

// admit gives a process a place, if there is one.
func (x *finder) admit(pid int, stop context.CancelFunc) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.have[pid] = len(x.stops) < mostProcesses
	if !x.have[pid] {
		x.refused[pid] = true
		return errMany
	}
	x.stops[pid] = stop
	return nil
}

var errMany = fmt.Errorf("not recorded: %d processes are, which is the most", mostProcesses)

// end remembers a process that cannot be recorded. One that is over has left its id to others, or executes another program, which is to be
// judged by itself: over says so.
func (x *finder) end(pid int, err error) (over bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	over = err == nil || errors.Is(err, profiler.ErrNoProcess)
	delete(x.stops, pid)
	if over || errors.Is(err, errEnough) {
		delete(x.have, pid)
	} else {
		x.have[pid] = false
	}
	return over
}
