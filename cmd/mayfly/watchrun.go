package main

import (
	"context"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/watch"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// reportMemory is what a report on a window and its execution trace may take, besides what a flight recorder does.
const reportMemory = 512 << 20

func newWatcher(e *env, f *watchFlags, s *store) *watcher {
	o := profiler.RingOptions{Before: time.Duration(f.window), After: time.Duration(f.ring.after), Limit: f.ring.limit << 20}
	return &watcher{env: e, flags: f, store: s, ring: profiler.NewRing(o), alarm: watch.New(f.options), line: progressLine(e),
		began: time.Now()}
}

func (w *watcher) limitMemory() {
	limitMemory(w.env, w.flags.ring.memoryBound(w.most)-ringShared+reportMemory)
}

// take takes up a slice.
func (w *watcher) take(ctx context.Context, rec *profiler.Recording) error {
	w.ended = rec.Summary.End
	if n := int(rec.Summary.Coverage.Seen); n > w.most {
		w.most = n
		w.limitMemory()
	}
	now := time.Now()
	state := w.judged(rec, now)
	w.line.show("watching %d: %s, %d of %d requests too slow in %s, %d breaches", w.flags.pid, now.Sub(w.began).Round(time.Second),
		state.Over, state.All, &w.flags.window, w.breaches)
	if state.Breach != "" && w.waiting == nil && !now.Before(w.quiet) {
		w.begin(ctx, state, now)
	}
	window, err := w.ring.Add(rec)
	switch {
	case err != nil:
		return err
	case window != nil:
		w.finish(window)
	case state.Met && w.waiting == nil && now.Sub(w.met) >= time.Duration(w.flags.window):
		w.met, w.healthy = now, w.ring.Rest("the objective was met")
	}
	return nil
}

// judged holds what ended meanwhile against the objective.
func (w *watcher) judged(rec *profiler.Recording, now time.Time) watch.State {
	counts := w.alarm.Follow(rec.Profile)
	if w.scraper != nil {
		counts = w.scraper.take(now, counts)
	}
	return w.alarm.Count(counts)
}

// begin takes up a breach: its execution trace begins now, and its window ends a little later.
func (w *watcher) begin(ctx context.Context, state watch.State, now time.Time) {
	if _, ok := w.ring.Trigger(now, "breach", state.Breach); !ok {
		return
	}
	w.quiet = now.Add(max(time.Duration(w.flags.ring.coolDown), time.Duration(w.flags.window)))
	w.breaches++
	w.waiting = &breach{at: now, state: state, healthy: w.healthy}
	w.env.detail("%s", state.Breach)
	if !w.flags.noTrace {
		f := &reportFlags{recordFlags: recordFlags{duration: w.flags.ring.after}, traceLimit: traceLimit}
		w.waiting.trace = fetchTrace(ctx, w.env, w.flags.pid, f)
	}
}

// finish writes a breach whose window is there, beside the stream.
func (w *watcher) finish(window *profiler.Window) {
	b := w.waiting
	b.window, w.waiting = window, nil
	w.writing.Wait()
	w.writing.Go(func() { w.report(b) })
}

// end writes the breach whose window the watch did not live to see whole.
func (w *watcher) end() {
	window := w.ring.Rest("")
	if w.waiting != nil && window != nil {
		w.finish(window)
	}
	w.writing.Wait()
	w.line.clear()
}
