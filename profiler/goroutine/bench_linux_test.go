package goroutine_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/goroutine"
)

// The cost of a tick, as CPU time of the thread, at N parked goroutines and a number of short ones
// per second beside them. Ticks are 1 ms apart, so that the target lives between them. first-ms is
// how long it took to know all stacks, and slowest-ms the longest tick.
func BenchmarkTick(b *testing.B) {
	for _, full := range []bool{true, false} {
		for _, rate := range []int{0, 600} {
			for _, n := range []int{10, 100, 1000, 10000, 100000} {
				b.Run(fmt.Sprintf("full=%v/rate=%d/parked=%d", full, rate, n), func(b *testing.B) { benchmarkTick(b, full, rate, n) })
			}
		}
	}
}

func benchmarkTick(b *testing.B, full bool, rate, n int) {
	x := open(b, target.Start(b, target.Compile(b, "capture", target.Build{}), "-parked", fmt.Sprint(n), "-rate", fmt.Sprint(rate)), goroutine.Options{Full: full})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	step := func() {
		if err := x.Step(); err != nil {
			b.Fatal(err)
		}
		x.SleepUntil(x.Now() + 1e6)
	}
	begin := time.Now()
	first := time.Since(begin)
	for i, put := 0, int64(-1); i < 64; i++ { // all chunks are looked at in 32 ticks
		if step(); x.Put() != put {
			put, i, first = x.Put(), 0, time.Since(begin)
		}
	}
	cpu := goroutine.ThreadCPU()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(goroutine.ThreadCPU()-cpu)/float64(b.N), "cpu-ns/tick")
	b.ReportMetric(float64(first)/1e6, "first-ms")
	x.Kill()
}
