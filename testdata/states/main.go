// Command states has goroutines that wait for everything there is to wait for, and writes an
// execution trace of itself: the ground truth of whoever says where their time went.
//
// Each goroutine has the label "work". Which there are, the flag -case decides:
//
//	cpu      burn never waits, duty burns and sleeps, call burns and blocks in system calls, kernel
//	         burns in system calls. With busy neighbours on the machine their threads wait for CPUs;
//	         with -procs below their number they wait for Ps.
//	lock     mutex, rwmutex, cond, chan and select: contended, with work inside.
//	network  server and client, and handler: a goroutine for each connection, over loopback.
//
// Truth: labels, their names; goroutines, one [goid, index of its label] each. -trace names the
// file of the execution trace, which covers the time from before the line "ready" to the end.
package main

import (
	"context"
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"sync/atomic"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// roster knows which goroutine has which label.
type roster struct {
	mu     sync.Mutex
	labels []string
	index  map[string]int64
	all    [][2]int64
	wg     sync.WaitGroup
}

var everyone = roster{index: map[string]int64{}}

// start starts n goroutines with a label, which they inherit: they have it from the first moment. ctx
// has the caller's own label. The goroutines run until they return.
func (r *roster) start(ctx context.Context, n int, label string, f func(context.Context)) {
	pprof.Do(ctx, pprof.Labels("work", label), func(ctx context.Context) {
		for i := 0; i < n; i++ {
			r.wg.Add(1)
			go func() {
				defer r.wg.Done()
				r.enter(label)
				f(ctx)
			}()
		}
	})
}

// enter enters the calling goroutine.
func (r *roster) enter(label string) {
	id := int64(run.Goid())
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.index[label]
	if !ok {
		at = int64(len(r.labels))
		r.index[label] = at
		r.labels = append(r.labels, label)
	}
	r.all = append(r.all, [2]int64{id, at})
}

var sink uint64

// burn is n pieces of work, some 10 us each.
//
//go:noinline
func burn(n int) {
	x := uint64(n)
	for i := uint64(0); i < uint64(n)*10000; i++ {
		x = x*31 + i
	}
	atomic.StoreUint64(&sink, x)
}

// forever repeats f until the program is to end.
func forever(f func()) func(context.Context) {
	return func(context.Context) {
		for !run.Stopped() {
			f()
		}
	}
}

func main() {
	which := flag.String("case", "cpu", "cpu, lock or network")
	procs := flag.Int("procs", 0, "GOMAXPROCS; 0: the runtime's choice")
	file := flag.String("trace", "", "write an execution trace to this file")
	flag.Parse()
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	f, err := os.Create(*file)
	run.Check(err)
	run.Check(trace.Start(f))
	map[string]func(context.Context){"cpu": cpu, "lock": locks, "network": network}[*which](context.Background())
	run.Ready()
	run.Wait()
	everyone.wg.Wait()
	trace.Stop()
	run.Check(f.Close())
	truth := run.Measure()
	truth["labels"], truth["goroutines"] = everyone.labels, everyone.all
	run.Truth(truth)
}
