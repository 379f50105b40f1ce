package profiler

import (
	"bytes"
	"context"
	"encoding/gob"
	"io"
	"math"
	"runtime/debug"

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
	var w wish
	if gob.NewDecoder(s.Asks).Decode(&w) != nil {
		return
	}
	out := gob.NewEncoder(s.Answers)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, s.Asks)
		cancel()
	}()
	if err := answerWish(ctx, s.Parent, w, out); err != nil {
		out.Encode(answerError(err))
	}
}

// answerWish records the parent and sends what was recorded.
func answerWish(ctx context.Context, parent int, w wish, out *gob.Encoder) error {
	share := w.MaxOverhead
	if share == 0 {
		share = DefaultShare
	}
	r, err := open(ctx, parent, Options{
		Mode: w.Mode, Rate: w.Rate, Engine: w.Engine, MaxOverhead: min(cores(share), 1), Keep: w.Keep, Version: w.Version,
	})
	if err != nil {
		return err
	}
	defer r.leave()
	engine := tableName
	if r.source != nil {
		engine = r.source.Name()
	}
	g := newGovernor(r, share)
	defer beside(ctx, g.run)()
	r.options.Started = func() { out.Encode(&answer{Engine: engine, Summary: r.summary}) }
	var one *Recording
	if err := r.stream(ctx, 0, func(rec *Recording) error { one = rec; return nil }); err != nil {
		return err
	}
	g.tell(&one.Summary)
	var b bytes.Buffer
	if err := one.Profile.Write(&b); err != nil {
		return err
	}
	return out.Encode(&answer{Summary: one.Summary, Profile: b.Bytes()})
}
