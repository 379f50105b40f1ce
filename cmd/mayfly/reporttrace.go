package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/baseline"
)

// A process that serves net/http/pprof writes execution traces of itself for whoever asks. One of the recorded seconds says who
// woke whom; it begins and ends within the recording, so that each of its moments is in both.

const (
	traceMargin = 500 * time.Millisecond
	// traceLate is how long a trace may take to come after the recording has ended: the runtime ends it with its generation.
	traceLate = 3 * time.Second
)

// traceAdvice is what would make a better report possible.
const traceAdvice = `with import _ "net/http/pprof" and http.ListenAndServe("localhost:6060", nil) in the program ` +
	`its execution trace would say who woke whom`

// traceFetch is a trace that is on its way.
type traceFetch struct {
	cancel context.CancelFunc
	done   chan struct{}
	data   []byte
	note   string // why there is none, or not all of it
}

// fetchTrace asks the process for its trace; d is how long it is recorded, 0: until it ends.
func fetchTrace(ctx context.Context, e *env, pid int, f *reportFlags) *traceFetch {
	ctx, cancel := context.WithCancel(ctx)
	t := &traceFetch{cancel: cancel, done: make(chan struct{})}
	begin := time.Now()
	go func() {
		defer close(t.done)
		sleepContext(ctx, traceMargin)
		src, err := f.endpoint(ctx, pid)
		if err != nil {
			t.note = fmt.Sprintf("no execution trace: %s; %s", oneLine(err.Error()), traceAdvice)
			return
		}
		d := time.Hour
		if f.duration > 0 {
			if d = time.Duration(f.duration) - time.Since(begin) - traceMargin; d < traceMargin {
				t.note = "no execution trace: the recording is too short for one"
				return
			}
		}
		e.detail("execution trace from %s", src.url)
		if t.data, err = baseline.FetchTrace(ctx, src.client, src.url, d, int64(f.traceLimit)<<20); err != nil {
			t.note = oneLine(err.Error())
		}
	}()
	return t
}

// endpoint finds where the process serves its traces. One that has just been started is asked again, a few times.
func (f *reportFlags) endpoint(ctx context.Context, pid int) (*pprofServer, error) {
	for wait := traceMargin; ; wait *= 2 {
		src, err := findProfiles(ctx, pid)
		if err == nil || len(f.command) == 0 || wait > 8*time.Second || !sleepContext(ctx, wait) {
			return src, err
		}
	}
}

// into ends the fetching when the recording has ended, and gives what came to the report.
func (t *traceFetch) into(in *reportInput) {
	if t == nil {
		return
	}
	select {
	case <-t.done:
	case <-time.After(traceLate):
	}
	t.cancel()
	<-t.done
	if len(t.data) > 0 {
		in.trace, in.fetched = bytes.NewReader(t.data), t.data
	} else if t.note != "" {
		in.notes = append(in.notes, t.note)
	}
}
