package inprocess

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// There is one session at a time: Yama lets a process name one other that may read its memory, and
// the runtime has one profiler.CPU profiler.

// ErrBusy is returned by Start while another session runs.
var ErrBusy = errors.New("this process is being recorded already")

var sessions atomic.Bool // one runs

// Session is a recording of this process under way. Its methods may be called from any goroutine.
type Session struct {
	options Options
	start   time.Time
	helper  *asked  // nil: not possible here, or not wanted
	inside  *inside // nil: not needed
	denied  []string

	once      sync.Once
	profile   *profile.Profile // in the making
	summary   profiler.Summary
	recording *profiler.Recording
	err       error
}

// Start begins to record this process, by the best engine that works or by o.Engine, until Stop. It
// returns when the first sample may come, some 100 ms later.
//
// Errors wrap ErrBusy, fs.ErrPermission or errors.ErrUnsupported. The last two only come with
// an engine that was asked for: some engine works everywhere.
func Start(o Options) (*Session, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("record this process: %w", err)
	}
	if o.Mode == "" {
		o.Mode = profiler.Wall
	}
	if !sessions.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	s := &Session{options: o, start: time.Now()}
	if err := s.open(); err != nil {
		s.close()
		sessions.Store(false)
		return nil, fmt.Errorf("record this process: %w", err)
	}
	return s, nil
}

// open starts what is to record, the best first.
func (s *Session) open() error {
	if s.fromOutside() {
		o := s.options
		if o.Engine == profiler.Runtime {
			o.Engine = profiler.Table
		}
		err := s.openHelper(ask{Options: o})
		if err != nil && s.options.Engine != "" && s.options.Engine != profiler.Runtime {
			return err
		}
		if err != nil {
			s.denied = append(s.denied, "a view from outside: "+err.Error())
		}
	}
	return s.openInside()
}

// fromOutside says whether a helper can contribute what is asked for.
func (s *Session) fromOutside() bool {
	switch s.options.Engine {
	case profiler.FGProf:
		return false
	case profiler.Runtime:
		return s.options.Mode == profiler.Wall
	}
	return true
}

// openInside starts the runtime's profilers for what the helper does not see.
func (s *Session) openInside() (err error) {
	var want profiler.Engine
	switch e := s.options.Engine; {
	case e == profiler.FGProf:
		want = profiler.FGProf
	case e == profiler.Runtime, e == "" && (s.helper == nil || s.helper.engine == summary.GoroutineTable):
		want = profiler.Runtime
	default:
		return nil
	}
	if want == profiler.Runtime && s.helper == nil && s.options.Mode == profiler.Wall {
		s.denied = append(s.denied, "all states but running: without a helper only engine fgprof sees the others, with two stops of the world "+
			"for each scan")
	}
	s.inside, err = openInside(want)
	if err == nil && want == profiler.Runtime && s.options.Mode == profiler.CPU && s.helper != nil {
		s.denied = append(s.denied, s.helper.denied...) // and has nothing to add
		s.helper.close()
		s.helper = nil
	}
	if err != nil && s.helper != nil && s.options.Engine == "" {
		s.denied = append(s.denied, "stacks of what is on a profiler.CPU: "+err.Error())
		return nil
	}
	return err
}

// Stop ends the session and returns what was recorded. Calling it again returns the same.
func (s *Session) Stop() (*profiler.Recording, error) {
	s.once.Do(func() {
		defer sessions.Store(false) // whatever happens: the next session must be possible
		defer s.close()
		s.err = errPanicked
		s.err = s.stop()
	})
	if s.err != nil {
		return nil, fmt.Errorf("record this process: %w", s.err)
	}
	return s.recording, nil
}

// errPanicked is what is left to say when Stop is called again after a panic that somebody recovered, as net/http does.
var errPanicked = errors.New("there is no profile: Stop panicked")

func (s *Session) stop() (err error) {
	if s.inside != nil {
		s.inside.stop() // first: what the helper does at its end is no part of the window
	}
	if s.helper != nil {
		if s.profile, s.summary, err = s.helper.finish(); err != nil {
			return err
		}
	}
	if s.inside != nil {
		if err := s.inside.join(s); err != nil {
			return err
		}
	}
	s.summary.Denied = append(s.denied, s.summary.Denied...)
	s.summary.Labels.Repaired = max(s.summary.Labels.Repaired, fold.Tidy(s.profile))
	s.profile.Comments = s.summary.Comments()
	s.recording = &profiler.Recording{Profile: s.profile, Summary: s.summary}
	return nil
}

func (s *Session) close() {
	if s.inside != nil {
		s.inside.stop()
	}
	if s.helper != nil {
		s.helper.close()
	}
}
