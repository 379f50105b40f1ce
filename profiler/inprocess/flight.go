package inprocess

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
)

// Defaults and bounds of a flight recorder.
const (
	DefaultWindow      = 10 * time.Second
	DefaultFlightLimit = 32 << 20 // bytes

	maxWindow = 10 * time.Minute
)

// FlightOptions say what a flight recorder records and keeps. The zero value keeps the last ten seconds of all states.
type FlightOptions struct {
	// Options say how to record. Engine is one that looks from outside: not profiler.Runtime, not profiler.FGProf.
	Options
	// Window is how much is kept; 0 is DefaultWindow, and ten minutes are the most.
	Window time.Duration
	// Limit is what the helper may need to keep the window and to hand it out, in bytes beside its 30 to 60 MB; 0 is DefaultFlightLimit.
	// Where that is not enough the window is shorter, and the recording says so in Summary.Denied.
	Limit int
}

// FlightRecorder records this process all the time and keeps the last seconds, until something happens that makes them worth
// having: a slow request is over before anybody can ask for a profile of it. What it keeps is in the helper's memory, not in this
// process's. Its methods may be called from any goroutine.
type FlightRecorder struct {
	session *Session
	window  time.Duration
	busy    atomic.Bool // somebody waits for an answer
	stopped atomic.Bool
}

var errStopped = errors.New("it was stopped")

// StartFlightRecorder begins to record this process until Stop. It returns when the first sample may come, some 100 ms later.
//
// While it runs no other session is possible. Errors wrap ErrBusy, or what kept the helper from looking: fs.ErrPermission,
// errors.ErrUnsupported. There is no flight recorder without a helper.
func StartFlightRecorder(o FlightOptions) (*FlightRecorder, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("flight recorder: %w", err)
	}
	if !sessions.CompareAndSwap(false, true) {
		return nil, fmt.Errorf("flight recorder: %w", ErrBusy)
	}
	s := &Session{options: o.Options, start: time.Now()}
	if err := s.openHelper(ask{o.Options, o.Window, o.Limit}); err != nil {
		sessions.Store(false)
		return nil, fmt.Errorf("flight recorder: a view from outside: %w", err)
	}
	return &FlightRecorder{session: s, window: o.Window}, nil
}

// check fills in the defaults, and finds what is wrong.
func (o *FlightOptions) check() error {
	o.Mode, o.Window, o.Limit = cmp.Or(o.Mode, profiler.Wall), cmp.Or(o.Window, DefaultWindow), cmp.Or(o.Limit, DefaultFlightLimit)
	switch {
	case o.Engine == profiler.Runtime || o.Engine == profiler.FGProf:
		return fmt.Errorf("engine %s: it runs in this process and keeps nothing: leave Engine empty", o.Engine)
	case o.Window < time.Second || o.Window > maxWindow:
		return fmt.Errorf("window %s: not from 1s to %s", o.Window, maxWindow)
	case o.Limit < 1<<20:
		return fmt.Errorf("limit %d: at least 1 MiB", o.Limit)
	}
	return o.validate()
}

// Last returns what was recorded in the last d, up to now, and at most the window: whole slices of up to a second. It waits for the
// end of the slice that is open, and a large window takes a second more. One caller waits at a time, others have ErrBusy. Any other
// error is for good: the helper has ended, of a lack of memory for instance. Stop makes another session possible.
func (f *FlightRecorder) Last(d time.Duration) (*profiler.Recording, error) {
	if d <= 0 {
		return nil, fmt.Errorf("flight recorder: the last %s: not a time", d)
	}
	if !f.busy.CompareAndSwap(false, true) {
		return nil, fmt.Errorf("flight recorder: %w", ErrBusy)
	}
	defer f.busy.Store(false)
	rec, err := f.session.helper.last(d)
	if err != nil && f.stopped.Load() {
		err = errStopped
	}
	if err != nil {
		return nil, fmt.Errorf("flight recorder: %w", err)
	}
	return rec, nil
}

// Stop ends the recorder and returns when the helper is gone. It may be called again.
func (f *FlightRecorder) Stop() {
	f.session.once.Do(func() {
		defer sessions.Store(false)
		f.stopped.Store(true)
		f.session.close()
	})
}
