package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/watch"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// watchProcesses watches until ctx, the duration or all processes that were named end.
func watchProcesses(ctx context.Context, e *env, f *watchFlags) error {
	store, err := openStore(e, "watch", f.output)
	if err != nil {
		return err
	}
	store.limit = f.disk
	w := newWatching(e, f, store)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if f.duration > 0 {
		defer time.AfterFunc(time.Duration(f.duration), func() { cancel(context.DeadlineExceeded) }).Stop()
	}
	if f.several() {
		e.say("watching: %s; breaches go to %s, Ctrl-C ends", f.objective.SLO, f.output)
	}
	stop := w.backlog.start(ctx)
	err = newFleet(e, f.fleet(), func(ev event) error { return w.hear(ctx, &ev) }).run(ctx)
	w.writing.Wait()
	stop()
	w.line.clear()
	w.backlog.end()
	switch {
	case err != nil && f.several():
		return printed(err)
	case err == nil && w.breaches > 0:
		return &exitError{code: codeRegression}
	}
	return err
}

func newWatching(e *env, f *watchFlags, s *store) *watching {
	return &watching{env: e, flags: f, store: s, line: progressLine(e), now: time.Now, began: time.Now(), turn: make(chan struct{}, 1),
		watchers: make(map[int]*watcher), backlog: newBacklog(e, f, s)}
}

// grownService is when a process is old enough to be a service: a watch goes on for hours, and what a compiler does in a few
// seconds is no request.
const grownService = 5 * time.Second

// fleet is what is recorded.
func (f *watchFlags) fleet() fleetOptions {
	o := fleetOptions{processFlags: f.processFlags, command: "watch", grown: grownService, overhead: f.overhead,
		options: profiler.StreamOptions{Options: f.recordFlags.options(), Every: f.slice()}}
	o.options.Keep.Timeline = true
	if f.several() {
		o.options.MemoryLimit = severalMemory
	}
	return o
}

// slice is how long a slice of a recording is.
func (f *watchFlags) slice() time.Duration { return min(time.Second, time.Duration(f.window)/4) }

// hear takes up what a fleet says of a process. An error ends the recording of that one.
func (w *watching) hear(ctx context.Context, ev *event) error {
	w.mu.Lock()
	x := w.watchers[ev.pid]
	w.mu.Unlock()
	switch {
	case ev.note != "":
		w.env.say("%s", ev.note)
	case ev.gone:
	case ev.over:
		w.over(ctx, x, ev)
	case x == nil:
		return w.add(ctx, ev)
	case ev.begun && w.flags.several():
		w.env.say("watching %s", x.title())
	case ev.begun:
		w.env.say("watching %s: %s; breaches go to %s, Ctrl-C ends", x.title(), w.flags.objective.SLO, w.flags.output)
	default:
		return x.take(ctx, ev.rec)
	}
	return nil
}

// add takes up a process.
func (w *watching) add(ctx context.Context, ev *event) error {
	f := w.flags
	o := profiler.RingOptions{Before: time.Duration(f.window), After: time.Duration(f.ring.after), Limit: f.ring.limit << 20}
	x := &watcher{watching: w, pid: ev.pid, name: ev.name, ring: profiler.NewRing(o), alarm: watch.New(f.objective)}
	w.mu.Lock()
	w.watchers[x.pid] = x
	w.limitMemory()
	w.mu.Unlock()
	if f.metrics == "" {
		return nil
	}
	return x.scrape(ctx)
}

// over is the end of a process, or of its recording.
func (w *watching) over(ctx context.Context, x *watcher, ev *event) {
	if x != nil {
		x.end()
		w.mu.Lock()
		delete(w.watchers, x.pid)
		w.limitMemory()
		w.mu.Unlock()
	}
	switch f := w.flags; {
	case ev.err == nil && x != nil && x.ended != "" && ctx.Err() == nil:
		w.env.say("%s: %s", x.title(), x.ended)
	case ev.err != nil && x == nil:
		w.env.warn("%d %s: %v", ev.pid, ev.name, ev.err)
	case ev.err != nil && f.several() && !(f.all && errors.Is(ev.err, profiler.ErrNoProcess)):
		w.env.warn("%v", ev.err)
	}
}

// title is what a process is called.
func (x *watcher) title() string { return printable.Line(fmt.Sprintf("%d %s", x.pid, x.name)) }

// Memory that a watch may use besides what a flight recorder does.
const (
	reportMemory  = 512 << 20 // a report on a window and its execution trace
	streamMemory  = 32 << 20  // the recording of a further process without what its ring keeps: 29 MB beside nats-servers without load
	severalMemory = 256 << 20 // of several processes, a slice of one: beyond that labels with many values lose them
	// dense is how many times as much memory it takes to write a window as to keep it. Only one is written at a time.
	dense = 40
)

// limitMemory has the garbage collector run in time; w is locked.
func (w *watching) limitMemory() {
	goroutines, others := 0, max(int64(len(w.watchers)-1), 0)
	for _, x := range w.watchers {
		goroutines += x.goroutines
	}
	r := &w.flags.ring
	limitMemory(w.env, r.memoryBound(goroutines)-ringShared+reportMemory+others*(streamMemory+int64(r.limit)<<20/dense))
}
