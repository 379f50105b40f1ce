package goroutine_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// What it costs to know what is waited for: the CPU time of a tick with and without, 1 ms apart, of a timeline of a
// program that waits for all kinds of things and of a server, of the release that finds locks by g.waiting and of
// one that finds them on stacks.
//
//	go test ./internal/source/goroutine -run '^$' -bench WaitsOn -benchtime 3000x
func BenchmarkWaitsOn(b *testing.B) {
	for _, dir := range []string{"waits", "server"} {
		for _, release := range []string{"1.25.7", "1.27.4"} {
			x := open(b, target.Start(b, target.Compile(b, dir, target.Build{Go: release})), goroutine.Options{Split: true})
			without := open(b, x.Target, goroutine.Options{Split: true})
			without.WithoutWaits()
			for on, y := range map[bool]*live{true: x, false: without} {
				b.Run(fmt.Sprintf("%s/go%s/on=%v", dir, release, on), y.tickCost)
			}
			x.Kill()
		}
	}
}

func (x *live) tickCost(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	next := x.Now()
	cpu := goroutine.ThreadCPU()
	for b.Loop() {
		if err := x.Step(); err != nil {
			b.Fatal(err)
		}
		next = max(next+1e6, x.Now())
		x.SleepUntil(next)
	}
	b.ReportMetric(float64(goroutine.ThreadCPU()-cpu)/float64(b.N), "cpu-ns/tick")
}
