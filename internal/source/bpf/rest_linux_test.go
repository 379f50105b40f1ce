//go:build amd64 || arm64

package bpf

import (
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// start starts a program that the test ends.
func start(t *testing.T, name string, args ...string) (pid int, stdin io.Writer) {
	t.Helper()
	cmd := exec.Command(name, args...)
	w, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid, w
}

// A process that waits for its input is known to be asleep, with the same number until it gets some.
func TestAsleep(t *testing.T) {
	pid, stdin := start(t, "cat")
	_, s := openSched(t, pid)
	next := func(not uint64) uint64 {
		t.Helper()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if since, ok := s.Asleep(); ok && since != not {
				return since
			}
		}
		t.Fatal("not asleep, or as before")
		return 0
	}
	since := next(1<<64 - 1)
	for range 3 {
		for range 10 {
			if now, ok := s.Asleep(); !ok || now != since {
				t.Fatalf("asleep since %d, %v, and %d before", now, ok, since)
			}
		}
		if _, err := stdin.Write([]byte("\n")); err != nil {
			t.Fatal(err)
		}
		since = next(since)
	}
}

// One that had a CPU before anybody watched, and goes on to want one, is never asleep.
func TestAwake(t *testing.T) {
	pid, _ := start(t, "sh", "-c", "while :; do :; done")
	_, s := openSched(t, pid)
	for end := time.Now().Add(3 * restEvery); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, ok := s.Asleep(); ok {
			t.Fatal("asleep")
		}
	}
}

// Of many targets each has room for as many threads as are likely, and where that is not enough nobody is known to be asleep.
func TestRoom(t *testing.T) {
	pid, _ := start(t, "cat")
	p, err := proc.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if n := roomFor(p); n != fewThreads {
		t.Errorf("room for %d threads", n)
	}
	_, s := openSched(t, pid)
	if err := s.objects.Slotless.Set(uint32(1)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * restEvery); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, ok := s.Asleep(); ok {
			t.Fatal("asleep")
		}
	}
}
