package inprocess

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"io"
	"math"
	"runtime"
	"runtime/debug"

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
	var o Options
	if gob.NewDecoder(s.Asks).Decode(&o) != nil {
		return
	}
	go s.LeaveInTime()
	out := gob.NewEncoder(s.Answers)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, s.Asks)
		cancel()
	}()
	if err := record(ctx, s.Parent, o, out); err != nil {
		out.Encode(answerError(err))
	}
}

// record records the parent and sends what was recorded.
func record(ctx context.Context, parent int, o Options, out *gob.Encoder) error {
	rec, err := profiler.Record(ctx, parent, profiler.Options{
		Mode: o.Mode, Rate: o.Rate, Engine: o.Engine, Share: cmp.Or(o.Share, DefaultShare), Keep: o.Keep, Version: o.Version,
		Started: func(s profiler.Summary) { out.Encode(&answer{Summary: s}) },
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := rec.Profile.Write(&b); err != nil {
		return err
	}
	return out.Encode(&answer{Summary: rec.Summary, Profile: b.Bytes()})
}
