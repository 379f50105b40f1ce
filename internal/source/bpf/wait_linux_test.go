//go:build amd64 || arm64

package bpf

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// A wait of an hour ends when somebody rings, before it begins or while it lasts, and when its context ends.
func TestBell(t *testing.T) {
	s := &OnCPU{}
	target.Need(t, s.load())
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			s.bell.wait(ctx, time.Hour, asked.Load)
			asked.Store(false)
		}
	}()
	for range 1000 {
		asked.Store(true)
		s.bell.ring()
		for asked.Load() {
			time.Sleep(10 * time.Microsecond)
		}
	}
	stop := context.AfterFunc(ctx, s.bell.ring)
	defer stop()
	cancel()
	<-done
}

// While there is nothing to do the end of a period ends no wait, but the first at which there is something.
func TestBellIdle(t *testing.T) {
	s := &OnCPU{}
	target.Need(t, s.load())
	defer s.Close()
	var periods atomic.Int32
	s.bell.idle = func() bool { return periods.Add(1) < 5 }
	s.bell.wait(t.Context(), 2*time.Millisecond, func() bool { return false })
	if n := periods.Load(); n != 5 {
		t.Errorf("the wait has ended after %d periods, want 5", n)
	}
}

// The goroutine that samples one of many targets is woken for samples, for who asks for them, and once a second.
func TestIdle(t *testing.T) {
	open := func(pid int) *OnCPU {
		p, err := proc.Open(pid)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		s, err := Open(p, Options{Rate: 97, Host: NewHost(97)})
		target.Need(t, err)
		t.Cleanup(func() { s.Close() })
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		s.rested.Store(1 << 62)
		return s
	}
	sleeps, _ := start(t, "cat")
	s := open(sleeps)
	if s.options.Host == nil {
		target.Need(t, fmt.Errorf("a Host outside of the initial PID namespace: %w", errors.ErrUnsupported))
	}
	if !s.idle() {
		t.Error("not idle, and its process sleeps")
	}
	s.rested.Store(proc.Monotonic() - int64(weighEvery))
	if s.idle() {
		t.Error("idle for a second")
	}
	s.rested.Store(1 << 62)
	go s.Flush()
	for end := time.Now().Add(time.Minute); s.idle() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if s.idle() {
		t.Error("idle, and somebody asks for samples")
	}
	s.flushes.End()
	spins, _ := start(t, "sh", "-c", "while :; do :; done")
	s = open(spins)
	for end := time.Now().Add(time.Minute); s.idle() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if s.idle() || s.reader.AvailableBytes() == 0 {
		t.Error("idle, and there are samples")
	}
}
