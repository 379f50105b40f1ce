//go:build amd64 || arm64

package bpf

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

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
