package inprocess

import (
	"os"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
)

// HelperOf is the pid of a flight recorder's helper.
func HelperOf(f *FlightRecorder) int { return f.session.helper.PID }

// PID is that of a session's helper.
func PID(s *Session) int { return s.helper.PID }

// Asks is the program's end of the pipe whose end tells a session's helper to finish.
func Asks(s *Session) *os.File { return s.helper.Asks }

// SetPatience has helpers be waited for no longer than that in a test.
func SetPatience(t *testing.T, d time.Duration) {
	was := patience
	patience = d
	t.Cleanup(func() { patience = was })
}

// Hanging is a session whose engine in the process never ends.
func Hanging() *Session {
	sessions.Store(true)
	return &Session{inside: &inside{engine: profiler.Runtime, cancel: func() {}, done: make(chan struct{})}}
}
