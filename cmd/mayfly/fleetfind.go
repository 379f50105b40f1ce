package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
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
		wg.Go(func() { errs[i] = fl.record(ctx, pid, 0) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// A finder finds the Go processes of this host for --all, and has a fleet record them. A process may become one by
// execve, or by a library that it loads: the new ones are inspected some times, the others now and then.
type finder struct {
	fleet  *fleet
	images goruntime.Images
	others map[int]int // processes that are none of ours so far, and how often they were seen
	wg     sync.WaitGroup

	mu      sync.Mutex
	have    map[int]bool // Go processes, and whether they are recorded, or about to be; false: that failed
	refused map[int]bool // those of them for which there was no room
}

const (
	searchEvery = time.Second // at most
	searchesNew = 3           // in which a process that is new is inspected
	searchesAll = 30          // in each so many-th the others are, too
)

func newFinder(fl *fleet) *finder {
	return &finder{fleet: fl, others: make(map[int]int), have: make(map[int]bool), refused: make(map[int]bool)}
}

// run searches until ctx ends.
func (x *finder) run(ctx context.Context) error {
	defer x.wg.Wait()
	t := time.NewTicker(cmp.Or(x.fleet.search, max(x.fleet.options.Every, searchEvery)))
	defer t.Stop()
	wait := time.Duration(0)
	for first := true; ; first, wait = false, x.fleet.grown {
		if denied, err := x.search(ctx, wait); err != nil {
			return err
		} else if first && denied > 0 {
			note := fmt.Sprintf("could not look into %d other %s: %s", denied, plural(denied, "process", "processes"), deniedRemedy(x.fleet.command))
			if err := x.fleet.emit(event{note: note}); err != nil {
				return err
			}
		}
		if x.fleet.once {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
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
		case a.err == nil:
			delete(x.others, a.pid)
			x.begin(ctx, a.pid, wait)
		}
	}
	return denied, nil
}

// errNotChosen says that nobody asked for a Go process.
var errNotChosen = errors.New("not chosen")

// inspect names the program of a Go process that is meant.
func (x *finder) inspect(pid int) (main string, err error) {
	if main, err = goProgram(pid, &x.images); err != nil || x.fleet.chosen == nil {
		return main, err
	}
	p, err := proc.Open(pid)
	if err != nil {
		return main, err
	}
	defer p.Close()
	if !x.fleet.chosen(p, main) {
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
			delete(x.have, pid)
			delete(x.refused, pid)
			gone = append(gone, pid)
		}
	}
	return due, gone
}

// admitted are processes that were refused, as many as there is room for by now.
func (x *finder) admitted() (pids []int) {
	room := mostProcesses - x.recorded()
	for pid := range x.refused {
		if len(pids) >= room {
			break
		}
		delete(x.have, pid)
		delete(x.refused, pid)
		pids = append(pids, pid)
	}
	return pids
}

// recorded is how many are recorded, or about to be.
func (x *finder) recorded() (n int) {
	for _, recorded := range x.have {
		if recorded {
			n++
		}
	}
	return n
}

// begin has a process recorded after a while, if it is still there then.
func (x *finder) begin(ctx context.Context, pid int, wait time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	room := x.recorded() < mostProcesses
	x.have[pid] = room
	if !room {
		x.refused[pid] = true
	}
	x.wg.Go(func() {
		if !room {
			_ = x.fleet.emit(event{pid: pid, name: nameOf(pid), over: true, err: errMany})
			return
		}
		x.end(pid, x.fleet.record(ctx, pid, wait))
	})
}

var errMany = fmt.Errorf("not recorded: %d processes are, which is the most", mostProcesses)

// end remembers a process that cannot be recorded. One that is over has left its id to others.
func (x *finder) end(pid int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err == nil || errors.Is(err, profiler.ErrNoProcess) {
		delete(x.have, pid)
	} else {
		x.have[pid] = false
	}
}
