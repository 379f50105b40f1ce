// Command churn starts 50,000 goroutines a second that live for 0.1 to 10 ms, most of them with a
// stack that grows and is copied while they live, under a garbage collector that runs all the time
// (GOGC=20). Whoever reads their stacks from outside reads memory that changes under his hands.
//
// There are four kinds, and more with Go 1.23 and with cgo; the functions on their stacks are known:
//
//	churnA  time.Sleep
//	churnB  1 to 20 frames of rec, then time.Sleep
//	churnC  3 frames of await, then a channel
//	churnD  four times: 1 to 22 frames of rec and time.Sleep, then runtime.Gosched
//	churnE  time.Sleep, beside a coroutine (iter.Pull): one or two, called by values
//	churnF  C code that sleeps; time.Sleep in back, called from C
//
// With -labels each has a label set of its own from its first moment to its last, inherited from who starts
// it: the label "n" is its number and a remainder of that, "17-342", so that a wrong one can be told.
//
// Truth: goroutines started and ended, garbage collections.
package main

import (
	"context"
	"flag"
	"math/rand"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var started, ended uint64

var kinds = []func(time.Duration){churnA, churnB, churnC, churnD}

//go:noinline
func churnA(d time.Duration) {
	time.Sleep(d)
	atomic.AddUint64(&ended, 1)
}

//go:noinline
func churnB(d time.Duration) {
	rec(int(d)%20, d)
	atomic.AddUint64(&ended, 1)
}

//go:noinline
func churnC(d time.Duration) {
	c := make(chan int)
	time.AfterFunc(d, func() { close(c) })
	await(2, c)
	atomic.AddUint64(&ended, 1)
}

//go:noinline
func churnD(d time.Duration) {
	for i := 0; i < 4; i++ {
		rec(i*7, d/4)
		runtime.Gosched()
	}
	atomic.AddUint64(&ended, 1)
}

// rec has frames of 200 bytes: a stack that starts with 2 KB is soon too small.
//
//go:noinline
func rec(n int, d time.Duration) int {
	var pad [24]int
	pad[n%24] = n
	if n == 0 {
		time.Sleep(d)
		return 0
	}
	return rec(n-1, d) + pad[3]
}

//go:noinline
func await(n int, c chan int) int {
	if n == 0 {
		return <-c
	}
	return await(n-1, c) + 1
}

// labelled calls f with the n-th label set.
func labelled(n int, f func()) {
	l := pprof.Labels("n", strconv.Itoa(n)+"-"+strconv.Itoa(n%997))
	pprof.Do(context.Background(), l, func(context.Context) { f() })
}

// spawn starts goroutines at the rate until the program ends.
func spawn(rate float64, first int, labels bool) {
	start := time.Now()
	for made := 0; !run.Stopped(); time.Sleep(50 * time.Microsecond) {
		for want := time.Since(start).Seconds() * rate; float64(made) < want; made++ {
			d := time.Duration(100e3 + rand.Float64()*9.9e6)
			if k := kinds[made%len(kinds)]; labels {
				labelled(2*made+first, func() { go k(d) })
			} else {
				go k(d)
			}
			atomic.AddUint64(&started, 1)
		}
	}
}

func main() {
	rate := flag.Float64("rate", 50000, "goroutines started per second")
	gogc := flag.Int("gogc", 20, "GOGC")
	labels := flag.Bool("labels", false, "a label set for each")
	flag.Parse()
	debug.SetGCPercent(*gogc)
	for i := 0; i < 2; i++ {
		go spawn(*rate/2, i, *labels)
	}
	run.Ready()
	run.Wait()
	truth := run.Measure()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	truth["started"], truth["ended"], truth["gcs"] = atomic.LoadUint64(&started), atomic.LoadUint64(&ended), mem.NumGC
	run.Truth(truth)
}
