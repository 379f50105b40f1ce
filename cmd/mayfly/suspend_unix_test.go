//go:build unix

package main

import (
	"bytes"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lines is a writer that tests may read meanwhile.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Ctrl-Z is answered and does not stop: a test that it stops never ends.
func TestUnstoppable(t *testing.T) {
	var said lines
	end := unstoppable(&env{stderr: &said})
	defer end()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTSTP); err != nil {
		t.Fatal(err)
	}
	for wait := time.Now().Add(10 * time.Second); !strings.Contains(said.String(), "not stopped"); time.Sleep(time.Millisecond) {
		if time.Now().After(wait) {
			t.Fatalf("said %q", said.String())
		}
	}
}
