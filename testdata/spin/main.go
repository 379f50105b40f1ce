// Command spin keeps goroutines busy that are 20 frames deep and carry 3 labels: the steady load
// that the cost of profiling is measured on.
//
// The labels are "worker" (w0, w1, ...), "job" = "spin" and "tenant" (t0 .. t3). Truth: the number
// of equal pieces of work (about 20 us each) done since the start, in all and per worker. With
// -ctl FILE word 0 of the page counts them while the program runs. Beside them -parked goroutines,
// with two labels, wait for ever.
package main

import (
	"context"
	"flag"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// worker is one goroutine; its count is published piece by piece in all.
type worker struct {
	all  *uint64
	done uint64
	acc  uint64
}

// descend calls itself until the stack is n frames deeper, then works.
//
//go:noinline
func (w *worker) descend(n int) uint64 {
	if n == 0 {
		w.work()
		return w.acc
	}
	return w.descend(n-1) + 1
}

//go:noinline
func (w *worker) work() {
	for !run.Stopped() {
		x := w.acc
		for i := uint64(0); i < 20000; i++ {
			x = x*31 + i
		}
		w.acc = x
		w.done++
		atomic.AddUint64(w.all, 1)
	}
}

//go:noinline
func park(context.Context) { select {} }

func main() {
	n := flag.Int("n", runtime.NumCPU(), "spinning goroutines")
	depth := flag.Int("depth", 20, "frames of main.(*worker).descend above the work")
	procs := flag.Int("procs", 0, "GOMAXPROCS; 0: the runtime's choice")
	parked := flag.Int("parked", 0, "goroutines that wait for ever")
	ctl := flag.String("ctl", "", "publish the count of work in this file")
	flag.Parse()
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	page := run.Page(*ctl)
	workers := make([]*worker, *n)
	var done sync.WaitGroup
	for i := range workers {
		w := &worker{all: &page[0]}
		workers[i] = w
		done.Add(1)
		labels := pprof.Labels("worker", "w"+strconv.Itoa(i), "job", "spin", "tenant", "t"+strconv.Itoa(i%4))
		go pprof.Do(context.Background(), labels, func(context.Context) {
			defer done.Done()
			w.descend(*depth - 1)
		})
	}
	for i := 0; i < *parked; i++ {
		labels := pprof.Labels("worker", "parked", "tenant", "t"+strconv.Itoa(i%4))
		go pprof.Do(context.Background(), labels, park)
	}
	run.Ready()
	run.Wait()
	done.Wait()
	truth := run.Measure()
	each := make([]uint64, *n)
	for i, w := range workers {
		each[i] = w.done
	}
	truth["work"], truth["workers"] = page[0], each
	run.Truth(truth)
}
