package main

import (
	"context"
	"errors"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/perf"
)

// begin is a process that has executed a program.
type begin struct{ pid, tries int }

const (
	mostBegun  = 1024             // that wait to be inspected, and as many until they are old enough: a search finds others, if they last
	youngPause = time.Millisecond // doubled each time
	youngTries = 9                // half a second: an execve that takes longer waits for a disk
	together   = 50 * time.Millisecond
)

// listen has what executes a program from now on inspected when it is old enough, until ctx ends. A build begins hundreds of programs in a
// second, and to inspect one takes a millisecond: those that are over by then cost nothing.
func (x *finder) listen(ctx context.Context) error {
	execs, err := perf.OpenExecs()
	if err != nil {
		return err
	}
	x.fleet.hears.Store(true)
	x.wg.Go(func() {
		defer execs.Close()
		defer x.fleet.hears.Store(false)
		execs.Run(ctx, func(pid int) { x.later(begin{pid: pid}, x.fleet.grown) })
	})
	return nil
}

// later has a process inspected after a while.
func (x *finder) later(b begin, wait time.Duration) {
	push := func() {
		select {
		case x.begun <- b:
		default:
		}
	}
	switch {
	case wait == 0:
		push()
	case x.grows.Add(1) > mostBegun:
		x.grows.Add(-1)
	case wait > together: // those of one moment wake the agent once
		now := time.Now()
		wait = now.Add(wait + together).Truncate(together).Sub(now)
		fallthrough
	default:
		time.AfterFunc(wait, func() { x.grows.Add(-1); push() })
	}
}

// hear has processes recorded that begin, until it is time to search. It returns for how long those have to be there that a search finds.
func (x *finder) hear(ctx context.Context, search <-chan time.Time) (wait time.Duration, err error) {
	for {
		select {
		case <-ctx.Done():
			return 0, nil
		case <-search:
			return x.fleet.grown, nil
		case <-x.fleet.anew:
			x.judge()
			return 0, nil
		case b := <-x.begun:
			if err := x.began(ctx, b); err != nil {
				return 0, err
			}
		}
	}
}

// began is for a process that has executed a program and is old enough. One that is recorded is followed. As long as the kernel is not done
// with the execve it gets another try.
func (x *finder) began(ctx context.Context, b begin) error {
	due, gone := x.fresh(b.pid)
	if gone {
		if err := x.fleet.emit(event{pid: b.pid, gone: true}); err != nil {
			return err
		}
	}
	if !due {
		return nil
	}
	delete(x.others, b.pid) // whatever was there
	for _, a := range inspectAll([]int{b.pid}, x.inspect) {
		switch {
		case a.err == nil:
			x.begin(ctx, b.pid)
		case errors.Is(a.err, errYoung) && b.tries < youngTries:
			x.later(begin{b.pid, b.tries + 1}, youngPause<<b.tries)
		}
	}
	return nil
}

// fresh says whether a process is to be inspected, and whether it could not be recorded as what it was.
func (x *finder) fresh(pid int) (due, gone bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	recorded, known := x.have[pid]
	if gone = known && !recorded; gone {
		x.forget(pid)
	}
	return !recorded, gone
}
