//go:build onoff && fgprof

package run

import (
	"context"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/baseline"
)

func init() { walls[Fgprof] = startFgprof }

// startFgprof runs the real one. It does not tell how often it looked, but each scan stops the world
// twice, at its beginning and at its end, and nobody else does meanwhile but the one who asks, once.
func startFgprof(_ int, samples *uint64) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	before := stops()
	go func() {
		defer close(done)
		_, err := baseline.Wall(ctx, time.Hour)
		Check(err)
	}()
	return func() {
		scans := (stops() - before - 1) / 2
		cancel()
		<-done
		atomic.AddUint64(samples, scans)
	}
}

// stops is how often the world was stopped for other things than garbage collection.
func stops() (n uint64) {
	s := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(s)
	for _, c := range s[0].Value.Float64Histogram().Counts {
		n += c
	}
	return n
}
