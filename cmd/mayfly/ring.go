package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/mayfly-profiler/mayfly/internal/when"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// The flight recorder: `record --ring 30s` records until it is told to end, and writes what was
// around the moments that somebody, or a condition, points at.

// ringFlags are the flags of record that are about the ring.
type ringFlags struct {
	before   duration
	after    duration
	coolDown duration
	limit    int // MiB
	files    int
	on       []string
	when     string
}

func (f *ringFlags) define(fl *pflag.FlagSet) {
	*f = ringFlags{after: duration(5 * time.Second), coolDown: duration(time.Minute), limit: profiler.DefaultRingLimit >> 20, files: 20}
	fl.Var(&f.before, "ring", "flight recorder: keep the last `duration` in memory, and write it at a trigger")
	fl.Var(&f.after, "after", "with --ring: write this much after the trigger, too")
	fl.Var(&f.coolDown, "cool-down", "with --ring: ignore triggers of one kind (signal, http, --when) for this long after one")
	fl.IntVar(&f.limit, "ring-limit", f.limit, "with --ring: memory to keep the window and to write it, in `MiB`; the window is shorter "+
		"if that is not enough")
	fl.IntVar(&f.files, "ring-files", f.files, "with --ring: `number` of files to keep; the oldest is removed for the next")
	fl.StringArrayVar(&f.on, "on", nil, "with --ring: `trigger`: SIGUSR2, exit (the process ends), http (a Unix socket), http=/SOCKET or "+
		"http=HOST:PORT; may be repeated")
	fl.StringVar(&f.when, "when", "", "with --ring: trigger: a `condition` on latencies, such as p99(endpoint=/fulfil)>800ms")
}

// Memory that a flight recorder uses besides what --ring-limit counts: its program and what it shares with
// the kernel, which are as large from the beginning; and all that it knows of the target, most of it for each
// goroutine.
const (
	ringShared   = 40 << 20
	ringBase     = 96 << 20 // ringShared included
	perGoroutine = 4 << 10
)

// memoryBound is what mayfly keeps within beside a target of so many goroutines.
func (f *ringFlags) memoryBound(goroutines int) int64 {
	return int64(f.limit)<<20 + ringBase + int64(goroutines)*perGoroutine
}

// check finds what is wrong with the flags.
func (f *ringFlags) check(r *recordFlags) error {
	_, err := f.condition()
	switch {
	case f.before == 0 && (len(f.on) > 0 || f.when != ""):
		return usagef("record: --on and --when need --ring DURATION")
	case f.before == 0:
		return nil
	case len(r.command) > 0:
		return usagef("record: --ring needs a running process (-p PID)")
	case r.output == "-":
		return usagef("record: --ring writes files: -o names them")
	case len(f.on) == 0 && f.when == "":
		return usagef("record: --ring without a trigger: give --on SIGUSR2, --on http, --on exit or --when CONDITION")
	case err != nil:
		return usagef("record: --when %w", err)
	case f.when != "" && r.mode != string(profiler.Wall):
		return usagef("record: --when needs --mode wall")
	case f.limit < 1:
		return usagef("record: --ring-limit %d: at least 1 MiB", f.limit)
	case f.files < 1:
		return usagef("record: --ring-files %d: at least 1", f.files)
	}
	for _, on := range f.on {
		kind, _, valued := strings.Cut(on, "=")
		if kind != "http" && (valued || kind != "exit" && on != triggerSignalName) {
			return usagef("record: --on %q: not %s, http, http=/SOCKET, http=HOST:PORT or exit", on, triggerSignalName)
		}
	}
	return nil
}

func (f *ringFlags) condition() (*when.Condition, error) {
	if f.when == "" {
		return nil, nil
	}
	return when.Parse(f.when)
}

func newFlight(e *env, f *recordFlags) (*flight, error) {
	r := &f.ring
	fl := &flight{env: e, flags: f, file: dumpName(f.output)}
	fl.ring = profiler.NewRing(profiler.RingOptions{
		Before: time.Duration(r.before), After: time.Duration(r.after), CoolDown: time.Duration(r.coolDown), Limit: r.limit << 20,
	})
	c, err := r.condition()
	if c != nil {
		fl.watch = when.NewWatch(c, time.Duration(r.before))
	}
	return fl, err
}

// recordRing runs the flight recorder until ctx or the target ends.
func recordRing(ctx context.Context, e *env, f *recordFlags) error {
	fl, err := newFlight(e, f)
	if err != nil {
		return err
	}
	stop, err := fl.listen(ctx)
	if err != nil {
		return err
	}
	defer stop()
	fl.limitMemory()
	s := sliceStream{flags: f, every: min(time.Second, max(time.Duration(f.ring.before)/4, 100*time.Millisecond)),
		begun: fmt.Sprintf("recording %d: keeping the last %s, Ctrl-C ends", f.pid, &f.ring.before),
		take:  func(_ context.Context, rec *profiler.Recording) error { return fl.take(rec) }}
	s.timeline = f.timeline || fl.watch != nil
	err = s.run(ctx, e)
	return errors.Join(err, fl.end(s.stopped))
}

// sliceStream is a recording in slices.
type sliceStream struct {
	flags    *recordFlags
	timeline bool
	every    time.Duration // the length of a slice
	begun    string        // what is said when the first sample may come
	take     func(context.Context, *profiler.Recording) error
	stopped  bool // after run: it was ended, and not the target
}

// run hands over the slices until ctx or the target ends, or the duration is over.
func (s *sliceStream) run(ctx context.Context, e *env) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	o := profiler.StreamOptions{Options: s.flags.options()}
	o.Every, o.Progress, o.Keep.Timeline = s.every, nil, s.timeline
	o.Started = func(profiler.Summary) {
		e.say("%s", s.begun)
		if s.flags.duration > 0 {
			time.AfterFunc(time.Duration(s.flags.duration), func() { cancel(context.DeadlineExceeded) })
		}
	}
	said := false
	err := profiler.Stream(ctx, s.flags.pid, o, func(rec *profiler.Recording) error {
		if !said {
			for _, d := range rec.Summary.Denied {
				e.warn("missing: %s", d)
			}
			said = true
		}
		return s.take(ctx, rec)
	})
	s.stopped = ctx.Err() != nil
	return err
}

// limitMemory makes the garbage collector run in time for mayfly to stay within the bound.
func (fl *flight) limitMemory() { limitMemory(fl.env, fl.flags.ring.memoryBound(fl.most)-ringShared) }

// limitMemory makes the garbage collector run in time for mayfly to stay within so many bytes. Whoever sets GOMEMLIMIT
// knows better.
func limitMemory(e *env, bytes int64) {
	if e.getenv == nil || e.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

// take takes up a slice.
func (fl *flight) take(rec *profiler.Recording) error {
	fl.ended = rec.Summary.End
	if n := int(rec.Summary.Coverage.Seen); n > fl.most {
		fl.most = n
		fl.limitMemory()
	}
	if fl.watch != nil {
		if why := fl.watch.Add(rec.Profile); why != "" {
			if _, ok := fl.ring.Trigger(time.Now(), "when", why); ok {
				fl.env.say("%s", why)
				fl.watch.Reset()
			}
		}
	}
	window, err := fl.ring.Add(rec)
	if err != nil || window == nil {
		return err
	}
	fl.writing.Wait()
	fl.writing.Go(func() { // beside the stream: the longer a slice has to wait, the longer it gets
		if err := fl.write(window); err != nil {
			fl.env.warn("%s", oneLine(err.Error())) // a full disk is no reason to stop watching
		}
	})
	return nil
}

// end writes what is still waited for, and the last window if the target's end is a trigger.
func (fl *flight) end(stopped bool) error {
	why := ""
	if fl.exit && !stopped {
		why = fl.ended
	}
	window := fl.ring.Rest(why)
	fl.writing.Wait()
	if window == nil {
		return nil
	}
	return fl.write(window)
}

func (fl *flight) write(w *profiler.Window) error {
	rec, err := w.Recording()
	if err != nil {
		return err
	}
	f := *fl.flags
	for now := time.Now(); ; now = now.Add(time.Millisecond) {
		f.output = fl.file(now)
		if _, err := os.Stat(f.output); err != nil { // a name that is free
			break
		}
	}
	err = finishRecord(fl.env, &f, rec, nil)
	*rec = profiler.Recording{}
	var elsewhere *rescued
	if errors.As(err, &elsewhere) {
		fl.rotate(elsewhere.path)
	} else if err == nil {
		fl.rotate(f.output)
	}
	debug.FreeOSMemory() // a dump needs much for a moment, and the host's memory is the target's
	return err
}

// rotate takes up a file that was written, and removes the oldest ones when there are too many: what fills a disk
// harms more than the target.
func (fl *flight) rotate(written string) {
	fl.files = append(fl.files, written)
	for len(fl.files) > fl.flags.ring.files {
		if err := os.Remove(fl.files[0]); err == nil {
			fl.env.say("%s removed: --ring-files keeps %d", fl.files[0], fl.flags.ring.files)
		}
		fl.files = fl.files[1:]
	}
}

// dumpName makes the names of dumps: the time in front of the extension, or of the first of two.
func dumpName(output string) func(time.Time) string {
	dir, name := filepath.Split(output)
	ext := extension(name)
	base := strings.TrimSuffix(name, ext)
	return func(t time.Time) string {
		return filepath.Join(dir, fmt.Sprintf("%s-%s%s", base, t.UTC().Format("20060102T150405.000Z"), ext))
	}
}
