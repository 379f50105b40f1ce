package goroutine_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// load is what a program does beside N goroutines that do nothing.
type load struct {
	name string
	args []string
}

var tickLoads = []load{
	{"parked", []string{"-rate", "0"}},
	{"parked+600", []string{"-rate", "600"}},
	{"waking", []string{"-rate", "0", "-wake", "2s"}},
}

// The cost of a tick, as CPU time of the thread, at N goroutines that are parked, that are parked
// beside 600 short ones a second, and that wake up every two seconds. Ticks are 1 ms apart, so that
// the target lives between them, or as close as they can be: hz is how many a second that made.
// first-ms is how long it took to know all stacks. What a program can do itself, at the same loads:
// BenchmarkOwn in internal/baseline.
//
//	go test ./internal/source/goroutine -run '^$' -bench Tick -benchtime 3s -timeout 60m
func BenchmarkTick(b *testing.B) {
	var lines []string
	for _, l := range tickLoads {
		for _, full := range []bool{true, false} {
			for _, n := range []int{10, 100, 1000, 10000, 100000} {
				var r ticked
				b.Run(fmt.Sprintf("load=%s/full=%v/n=%d", l.name, full, n), func(b *testing.B) { r = l.tick(b, full, n) })
				lines = append(lines, fmt.Sprintf("%-12s %-9v %7d %12.1f %8.0f %9.1f %12.1f", l.name, full, n, r.cpu.Seconds()*1e6, r.hz,
					100*r.cpu.Seconds()*r.hz, r.first.Seconds()*1e3))
			}
		}
	}
	fmt.Printf("\n%-12s %-9s %7s %12s %8s %9s %12s\n%s\n", "load", "full scan", "n", "CPU us/tick", "ticks/s", "% of core",
		"all known ms", strings.Join(lines, "\n"))
}

// ticked is what ticks cost.
type ticked struct {
	cpu, first time.Duration
	hz         float64
}

func (l load) tick(b *testing.B, full bool, n int) (r ticked) {
	x := open(b, target.Start(b, target.Compile(b, "capture", target.Build{}), append([]string{"-parked", fmt.Sprint(n)}, l.args...)...),
		goroutine.Options{Full: full})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	next := x.Now()
	step := func() {
		if err := x.Step(); err != nil {
			b.Fatal(err)
		}
		next = max(next+1e6, x.Now())
		x.SleepUntil(next)
	}
	begin := time.Now()
	for i, put := 0, int64(-1); i < 64 && time.Since(begin) < 20*time.Second; i++ { // all chunks are read in 32 ticks
		if step(); x.Put() != put {
			put, i, r.first = x.Put(), 0, time.Since(begin)
		}
	}
	cpu := goroutine.ThreadCPU()
	for b.Loop() {
		step()
	}
	r.cpu = (goroutine.ThreadCPU() - cpu) / time.Duration(b.N)
	r.hz = float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(float64(r.cpu), "cpu-ns/tick")
	b.ReportMetric(r.hz, "hz")
	b.ReportMetric(float64(r.first)/1e6, "first-ms")
	x.Kill()
	return r
}
