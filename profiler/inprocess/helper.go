package inprocess

import (
	"context"
	"encoding/gob"
	"errors"
	"io/fs"
	"runtime/pprof"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/internal/self"
)

// ask is what a helper is told first. After it come times, of which a flight recorder is to tell the newest part, each. What is no
// time, or the end of the pipe, is the end of the recording: the pipe alone would not do, as a child that the program forks without an
// execve keeps its own end of it open.
type ask struct {
	Options Options
	Window  time.Duration // of a flight recorder; 0: a session
	Limit   int           // bytes
}

// answer is what a helper tells: first that it records and how, or why not; then what it recorded.
type answer struct {
	Wrong   string // an error's text
	Kind    int    // its index in kinds, plus 1
	Summary profiler.Summary
	Profile []byte
}

// kinds are the errors that keep their identity on the way from a helper.
var kinds = []error{fs.ErrPermission, errors.ErrUnsupported, profiler.ErrNoProcess, profiler.ErrNotGo}

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
	asks    *gob.Encoder
	answers *gob.Decoder
	engine  string // of time on a CPU
	denied  []string
}

// openHelper starts a helper and waits until it records.
func (s *Session) openHelper(what ask) error {
	h, err := startHelper()
	if err != nil {
		return err
	}
	a := &asked{Helper: h, asks: gob.NewEncoder(h.Asks), answers: gob.NewDecoder(h.Answers)}
	if err := a.asks.Encode(what); err != nil {
		return h.Ended()
	}
	first, err := a.next()
	if err != nil {
		h.Close()
		return err
	}
	a.engine, a.denied, s.helper = first.Summary.EngineCPU, first.Summary.Denied, a
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
var patience = time.Minute

func (a *asked) next() (answer, error) {
	limit := patience
	stuck := time.AfterFunc(limit, func() { a.GiveUp(limit) })
	defer stuck.Stop()
	var got answer
	if err := a.answers.Decode(&got); err != nil {
		return got, a.Ended()
	}
	return got, got.err()
}

// theEnd stands for the end of the recording, where a time is expected.
const theEnd = time.Duration(-1)

// finish tells the helper to end and takes what it recorded.
func (a *asked) finish() (*profile.Profile, profiler.Summary, error) {
	_ = a.asks.Encode(theEnd) // fails when it has ended, which the answer says
	a.Asks.Close()
	return a.recorded()
}

func (a *asked) recorded() (*profile.Profile, profiler.Summary, error) {
	got, err := a.next()
	if err != nil {
		return nil, profiler.Summary{}, err
	}
	p, err := profile.ParseData(got.Profile)
	return p, got.Summary, err
}

// last asks a flight recorder for the last d.
func (a *asked) last(d time.Duration) (*profiler.Recording, error) {
	if err := a.asks.Encode(d); err != nil {
		return nil, a.Ended()
	}
	p, s, err := a.recorded()
	if err != nil {
		return nil, err
	}
	return &profiler.Recording{Profile: p, Summary: s}, nil
}

func (a *asked) close() { a.Helper.Close() }
