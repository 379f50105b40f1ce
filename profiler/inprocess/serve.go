package inprocess

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/perf"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/internal/self"
)

// init makes a helper of a process that was started to be one, and does nothing in all others. See
// package self for what has run by now and what never will.
func init() {
	if s, ok := self.Asked(); ok {
		serve(s)
		self.Exit()
	}
}

// serve is the helper's whole life: it records its parent until its pipe is closed.
func serve(s *self.Server) {
	// The program's own settings are for the program.
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(math.MaxInt64)
	if rights, err := proc.HostRights(); err == nil {
		runtime.GOMAXPROCS(perf.Procs(rights, runtime.NumCPU()))
	}
	asks := gob.NewDecoder(s.Asks)
	var what ask
	if asks.Decode(&what) != nil {
		return
	}
	go s.LeaveInTime()
	h := &helper{parent: s.Parent, what: what, out: gob.NewEncoder(s.Answers), lasts: make(chan last)}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		var d time.Duration
		for asks.Decode(&d) == nil && d != theEnd {
			select {
			case h.lasts <- last{d, time.Now()}:
			case <-ctx.Done():
			}
		}
	}()
	var err error
	if what.Window > 0 {
		err = h.keep(ctx)
	} else {
		err = h.record(ctx)
	}
	if err != nil {
		h.out.Encode(answerError(err))
	}
}

// helper is what a helper process does.
type helper struct {
	parent int
	what   ask
	out    *gob.Encoder
	lasts  chan last
}

// last is a question for what a flight recorder has of the last d before at.
type last struct {
	d  time.Duration
	at time.Time
}

// record records the parent and sends what was recorded.
func (h *helper) record(ctx context.Context) error {
	rec, err := profiler.Record(ctx, h.parent, h.options())
	if err != nil {
		return err
	}
	return h.tell(rec)
}

func (h *helper) options() profiler.Options {
	o := h.what.Options
	return profiler.Options{Mode: o.Mode, Rate: o.Rate, Engine: o.Engine, Share: cmp.Or(o.Share, DefaultShare), Keep: o.Keep,
		Version: o.Version, Started: func(s profiler.Summary) { h.out.Encode(&answer{Summary: s}) }}
}

func (h *helper) tell(rec *profiler.Recording) error {
	var b bytes.Buffer
	if err := rec.Profile.Write(&b); err != nil {
		return err
	}
	return h.out.Encode(&answer{Summary: rec.Summary, Profile: b.Bytes()})
}

// keep keeps the last seconds, and sends them as often as it is asked. Who asks has them up to that moment: they are sent
// when the slice has ended that it is in.
func (h *helper) keep(ctx context.Context) error {
	ring := profiler.NewRing(profiler.RingOptions{Before: h.what.Window, Limit: h.what.Limit})
	o := profiler.StreamOptions{Options: h.options(), Every: min(time.Second, h.what.Window/4)}
	var asked last
	return profiler.Stream(ctx, h.parent, o, func(rec *profiler.Recording) error {
		if _, err := ring.Add(rec); err != nil {
			return err
		}
		if asked.d == 0 {
			select {
			case asked = <-h.lasts:
			default:
			}
		}
		if asked.d == 0 || asked.at.UnixNano() > rec.Profile.TimeNanos+rec.Profile.DurationNanos {
			return nil
		}
		w := ring.Last(asked.d, "the last "+asked.d.String())
		asked = last{}
		all, err := w.Recording()
		if err != nil {
			return err
		}
		return h.tell(all)
	})
}
