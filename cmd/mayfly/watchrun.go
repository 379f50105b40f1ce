package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/watch"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// take takes up a slice.
func (x *watcher) take(ctx context.Context, rec *profiler.Recording) error {
	now := x.now()
	x.missing(rec, now)
	x.ended = rec.Summary.End
	state := x.judged(rec, now)
	x.few(state, now)
	x.show(state, int(rec.Summary.Coverage.Seen))
	if state.Breach != "" && x.waiting == nil && !x.busy.Load() && !now.Before(x.quiet) {
		x.begin(ctx, state, now)
	}
	window, err := x.ring.Add(rec)
	switch {
	case err != nil:
		return err
	case window != nil:
		x.finish(window)
	case state.Met && x.waiting == nil && now.Sub(x.met) >= time.Duration(x.flags.window):
		x.met, x.healthy = now, x.ring.Rest("the objective was met")
	}
	return nil
}

// missing says, once, what cannot be seen of the process.
func (x *watcher) missing(rec *profiler.Recording, now time.Time) {
	if !x.begun.IsZero() {
		return
	}
	x.begun = now
	for _, d := range rec.Summary.Denied {
		if x.flags.several() {
			d = x.title() + ": " + d
		}
		x.env.warn("missing: %s", d)
	}
}

// few says, once, that there are too few requests for the objective to be judged: who misspelt a label would wait for ever.
func (x *watcher) few(state watch.State, now time.Time) {
	x.most = max(x.most, state.All)
	if x.counted || now.Sub(x.begun) < 2*time.Duration(x.flags.window) {
		return
	}
	x.counted = true
	if x.most >= report.Fewest || x.most > 0 && len(x.flags.objective.Burns) > 0 {
		return
	}
	say := x.env.warn
	if x.flags.all {
		say = x.env.detail // most of them have other requests, or none
	}
	say("%s: %d requests of %s in %s: fewer than %d are not judged; which count is said by its labels and --request, for how long by --window",
		x.title(), x.most, x.flags.objective.SLO, &x.flags.window, report.Fewest)
}

// judged holds what ended meanwhile against the objective.
func (x *watcher) judged(rec *profiler.Recording, now time.Time) watch.State {
	counts := x.alarm.Follow(rec.Profile)
	if x.scraper != nil {
		counts = x.scraper.take(now, counts)
	}
	return x.alarm.Count(counts)
}

// show shows how it goes: the requests of all processes together.
func (x *watcher) show(state watch.State, goroutines int) {
	w := x.watching
	w.mu.Lock()
	defer w.mu.Unlock()
	x.last = state
	if goroutines > x.goroutines {
		x.goroutines = goroutines
		w.limitMemory()
	}
	over, all, title := 0, 0, x.title()
	for _, x := range w.watchers {
		over, all = over+x.last.Over, all+x.last.All
	}
	if n := len(w.watchers); w.flags.several() {
		title = fmt.Sprintf("%d %s", n, plural(n, "process", "processes"))
	}
	w.line.show("watching %s: %s, %d of %d requests too slow in %s, %d breaches", title, time.Since(w.began).Round(time.Second), over, all,
		&w.flags.window, w.breaches)
}

// begin takes up a breach: its execution trace begins now, and its window ends a little later.
func (x *watcher) begin(ctx context.Context, state watch.State, now time.Time) {
	seen := now.Add(-x.flags.slice() / 2) // it was within the slice: a window that ends with a whole one is not to wait for the next
	if _, ok := x.ring.Trigger(seen, "breach", state.Breach); !ok {
		return
	}
	x.quiet = now.Add(max(time.Duration(x.flags.ring.coolDown), time.Duration(x.flags.window)))
	x.waiting = &breach{at: now, state: state, healthy: x.healthy}
	x.mu.Lock()
	x.breaches++
	x.mu.Unlock()
	x.env.detail("%s: %s", x.title(), state.Breach)
	if !x.flags.noTrace {
		f := &reportFlags{recordFlags: recordFlags{duration: x.flags.ring.after}, traceLimit: traceLimit}
		x.waiting.trace = fetchTrace(ctx, x.env, x.pid, f)
	}
}

// finish writes a breach whose window is there, beside the stream.
func (x *watcher) finish(window *profiler.Window) {
	b := x.waiting
	b.window, x.waiting = window, nil
	x.busy.Store(true)
	x.writing.Go(func() {
		defer x.busy.Store(false)
		x.report(b)
	})
}

// end writes the breach whose window the watch did not live to see whole.
func (x *watcher) end() {
	if x.stop != nil {
		x.stop()
	}
	if window := x.ring.Rest(""); x.waiting != nil && window != nil {
		x.finish(window)
	}
}
