package profiler

// A session records this very process. Who looks is a helper, a process of the same executable
// (package self), which records its parent as the command records any process: it asks no goroutine
// of the program for CPU time, so it keeps its rate when the program is busiest. What the helper is
// not allowed to see, the runtime's CPU profile sees from inside: when there are neither eBPF nor perf events, or
// no helper at all. fgprof's engine, which stops the world, is for who asks for it.
//
// There is one session at a time: Yama lets a process name one other that may read its memory, and
// the runtime has one CPU profiler.

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/internal/self"
)

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

	once    sync.Once
	profile *profile.Profile
	summary Summary
	err     error
}

// DefaultShare is the share of the machine's CPU time that a session may use when nobody says.
const DefaultShare = 0.02

// Start begins to record this process, by the best engine that works or by o.Engine, until Stop. It
// returns when the first sample may come, some 100 ms later. Keep, Mode, Rate, MaxOverhead, Engine
// and Version of the options count; in a session MaxOverhead is a share of the machine's CPU time,
// for all that mayfly does, and 0 is DefaultShare.
//
// Errors wrap ErrBusy, fs.ErrPermission or errors.ErrUnsupported. The last two only come with
// an engine that was asked for: some engine works everywhere.
//
// Where Yama's ptrace_scope is 1, the helper takes the place of the one process that this one had named by PR_SET_PTRACER,
// a crash handler for instance: the kernel keeps one name and does not tell it.
func Start(o Options) (*Session, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("record this process: %w", err)
	}
	if o.Mode == "" {
		o.Mode = Wall
	}
	if !sessions.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	s := &Session{options: o, start: time.Now()}
	started := false
	defer func() {
		if !started { // an error, or a panic
			defer sessions.Store(false)
			s.close()
		}
	}()
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("record this process: %w", err)
	}
	started = true
	return s, nil
}

// open starts what is to record, the best first.
func (s *Session) open() error {
	if s.fromOutside() {
		err := s.openHelper()
		if err != nil && s.options.Engine != "" && s.options.Engine != Runtime {
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
	case FGProf:
		return false
	case Runtime:
		return s.options.Mode == Wall
	}
	return true
}

// openInside starts the runtime's profilers for what the helper does not see.
func (s *Session) openInside() (err error) {
	var want Engine
	switch e := s.options.Engine; {
	case e == FGProf:
		want = FGProf
	case e == Runtime, e == "" && (s.helper == nil || s.helper.engine == tableName):
		want = Runtime
	default:
		return nil
	}
	if want == Runtime && s.helper == nil && s.options.Mode == Wall {
		s.denied = append(s.denied, "all states but running: without a helper only engine fgprof sees the others, with two stops of the world "+
			"for each scan")
	}
	s.inside, err = openInside(want)
	if err == nil && want == Runtime && s.options.Mode == CPU && s.helper != nil {
		s.denied = append(s.denied, s.helper.denied...) // and has nothing to add
		s.helper.close()
		s.helper = nil
	}
	if err != nil && s.helper != nil && s.options.Engine == "" {
		s.denied = append(s.denied, "stacks of what is on a CPU: "+err.Error())
		return nil
	}
	return err
}

// Stop ends the session and returns the profile. Calling it again returns the same.
func (s *Session) Stop() (*profile.Profile, error) {
	s.once.Do(func() {
		defer sessions.Store(false) // whatever happens: the next session must be possible
		defer s.close()
		s.err = errPanicked
		s.err = s.stop()
	})
	if s.err != nil {
		return nil, fmt.Errorf("record this process: %w", s.err)
	}
	return s.profile, nil
}

// errPanicked is what is left to say when Stop is called again after a panic that somebody recovered, as net/http does.
var errPanicked = errors.New("there is no profile: Stop panicked")

// Summary says what the profile is worth. Like Stop, it ends the session.
func (s *Session) Summary() Summary {
	s.Stop()
	return s.summary
}

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
	s.summary.Labels.Repaired = max(s.summary.Labels.Repaired, tidy(s.profile))
	s.profile.Comments = s.summary.Comments()
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

// wish is what a session tells its helper.
type wish struct {
	Mode        Mode
	Rate        int
	Engine      Engine
	MaxOverhead float64
	Keep        Keep
	Version     string
}

// answer is what a helper tells: first that it records and how, or why not; then what it recorded.
type answer struct {
	Engine  string // for time on a CPU; Summary.Denied says why not a better one
	Wrong   string // an error's text
	Kind    int    // its index in kinds, plus 1
	Summary Summary
	Profile []byte
}

// kinds are the errors that keep their identity on the way from a helper.
var kinds = []error{fs.ErrPermission, errors.ErrUnsupported, ErrNoProcess, ErrNotGo}

func (a *answer) err() error {
	switch {
	case a.Wrong == "":
		return nil
	case a.Kind > 0 && a.Kind <= len(kinds):
		return &foreign{a.Wrong, kinds[a.Kind-1]}
	}
	return errors.New(a.Wrong)
}

// foreign is an error of another process.
type foreign struct {
	text string
	kind error
}

func (e *foreign) Error() string { return e.text }
func (e *foreign) Unwrap() error { return e.kind }

func answerError(err error) *answer {
	a := &answer{Wrong: err.Error()}
	for i, k := range kinds {
		if errors.Is(err, k) {
			a.Kind = i + 1
			break
		}
	}
	return a
}

// asked is a helper that records.
type asked struct {
	*self.Helper
	answers *gob.Decoder
	engine  string // of time on a CPU
	denied  []string
}

// openHelper starts a helper and waits until it records.
func (s *Session) openHelper() error {
	h, err := startHelper()
	if err != nil {
		return err
	}
	a := &asked{Helper: h, answers: gob.NewDecoder(h.Answers)}
	o := s.options
	if o.Engine == Runtime {
		o.Engine = Table
	}
	w := wish{o.Mode, o.Rate, o.Engine, o.MaxOverhead, o.Keep, o.Version}
	if err := gob.NewEncoder(h.Asks).Encode(w); err != nil {
		return h.Ended()
	}
	first, err := a.next()
	if err != nil {
		h.Close()
		return err
	}
	a.engine, a.denied, s.helper = first.Engine, first.Summary.Denied, a
	return nil
}

// startHelper starts it from a goroutine without labels: those that serve the helper have the labels of
// the one that starts them, and are nobody's request.
func startHelper() (h *self.Helper, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		pprof.SetGoroutineLabels(context.Background())
		h, err = self.Start()
	}()
	<-done
	return h, err
}

// patience is how long a helper may take to answer. Its own start takes some 100 ms, and a large profile a few
// seconds; an init function of the program's that never returns takes for ever.
const patience = time.Minute

func (a *asked) next() (answer, error) {
	stuck := time.AfterFunc(patience, a.Kill)
	defer stuck.Stop()
	var got answer
	if err := a.answers.Decode(&got); err != nil {
		return got, a.Ended()
	}
	return got, got.err()
}

// finish tells the helper to end and takes what it recorded.
func (a *asked) finish() (*profile.Profile, Summary, error) {
	a.Asks.Close()
	got, err := a.next()
	if err != nil {
		return nil, Summary{}, err
	}
	p, err := profile.ParseData(got.Profile)
	return p, got.Summary, err
}

func (a *asked) close() { a.Helper.Close() }
