package inprocess

import (
	"math"
	"os"
	"runtime/debug"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/internal/self"
)

// What the program's environment says of garbage collection (GOGC=off, GOMEMLIMIT) is not for its helper: it would grow
// without end, or collect garbage all the time.
func TestHelperCollectsAsItself(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 30))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	asks, program, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	program.Close()
	serve(&self.Server{Parent: os.Getpid(), Asks: asks, Answers: asks}) // asked for nothing, it returns
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		t.Errorf("the helper has the program's limit, %d", limit)
	}
	if percent := debug.SetGCPercent(100); percent != 100 {
		t.Errorf("the helper collects garbage at %d %%", percent)
	}
}

// A session that ends in a panic, which net/http recovers, is over all the same: its helper is gone, Stop says that
// there is nothing, and another session can begin.
func TestStopThatPanics(t *testing.T) {
	for name, spoil := range map[string]func(*Session){
		"what the runtime saw":  func(s *Session) { s.inside.stop(); s.inside.profile = nil },
		"what the helper tells": func(s *Session) { s.helper.answers = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Start(Options{Engine: profiler.Runtime})
			if err != nil {
				t.Fatal(err)
			}
			helper := 0
			if s.helper != nil {
				helper = s.helper.PID
			}
			target.NeedAll(t, helper != 0 || name != "what the helper tells", s.denied)
			spoil(s)
			if !panics(func() { s.Stop() }) {
				t.Fatal("nothing panicked")
			}
			if p, err := s.Stop(); p != nil || err == nil {
				t.Errorf("again: %v, %v", p, err)
			}
			if helper != 0 && unix.Kill(helper, 0) == nil {
				t.Error("the helper is there still")
			}
			next, err := Start(Options{Engine: profiler.Runtime, Mode: profiler.CPU})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := next.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}
