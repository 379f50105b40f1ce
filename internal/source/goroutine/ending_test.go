package goroutine

import (
	"testing"
	"time"
)

// A process that gets no CPU between the end of its memory and its own has exited, and did not execute another program.
func TestEnded(t *testing.T) {
	exited := make(chan struct{})
	time.AfterFunc(350*time.Millisecond, func() { close(exited) })
	if !ended(exited, func() bool { return false }) {
		t.Error("a slow exit is taken for another program")
	}
	if ended(make(chan struct{}), func() bool { return true }) {
		t.Error("another program is taken for an exit")
	}
}
