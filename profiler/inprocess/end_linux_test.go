package inprocess_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
)

// What the program has forked in C, without an execve, has a copy of each of its descriptors: the end of the pipe that tells the helper
// to finish, too. The session ends all the same.
func TestSessionEndsBesideForks(t *testing.T) {
	s, err := inprocess.Start(inprocess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "sleep", "100")
	c.ExtraFiles = []*os.File{inprocess.Asks(s)}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	if _, err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// A helper that does not answer is not waited for without end, the error says what it was at, and another session is possible.
func TestSessionOfStoppedHelper(t *testing.T) {
	inprocess.SetPatience(t, 20*time.Second) // to start may take its time
	s, err := inprocess.Start(inprocess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	inprocess.SetPatience(t, time.Second)
	if err := syscall.Kill(inprocess.PID(s), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err = s.Stop()
	if err == nil || !strings.Contains(err.Error(), "did not answer for 1s (threads: ") || !strings.Contains(err.Error(), " T; ") {
		t.Errorf("%v, want that it was stopped", err)
	}
	t.Log(err)
	inprocess.SetPatience(t, time.Minute)
	if s, err = inprocess.Start(inprocess.Options{}); err == nil {
		_, err = s.Stop()
	}
	if err != nil {
		t.Errorf("the next session: %v", err)
	}
}

// A profiler of the runtime's that hangs is not waited for without end either.
func TestSessionOfHangingEngine(t *testing.T) {
	inprocess.SetPatience(t, 100*time.Millisecond)
	s := inprocess.Hanging()
	for range 2 {
		if _, err := s.Stop(); err == nil || !strings.Contains(err.Error(), "engine runtime: it did not end within 100ms") {
			t.Error(err)
		}
	}
}
