// Command orphans goes on after its main goroutine has ended by runtime.Goexit: 20 goroutines sleep
// and compute under labels, and 10 wait for what nobody can send. With -leak the runtime's leak
// detector looks for them first (Go 1.27).
//
// Truth: sleepers and leaked, how many there are of each.
package main

import (
	"context"
	"flag"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

const (
	sleepers = 20
	leaks    = 10
)

//go:noinline
func leak(started *sync.WaitGroup) {
	started.Done()
	<-make(chan int)
}

//go:noinline
func doze() {
	for !run.Stopped() {
		time.Sleep(20 * time.Millisecond)
	}
}

func main() {
	find := flag.Bool("leak", false, "let the runtime look for leaked goroutines")
	flag.Parse()
	var started sync.WaitGroup
	started.Add(leaks)
	for i := 0; i < leaks; i++ {
		go leak(&started)
	}
	started.Wait()
	for i := 0; i < sleepers; i++ {
		labels := pprof.Labels("sleeper", strconv.Itoa(i))
		go pprof.Do(context.Background(), labels, func(context.Context) { doze() })
	}
	if p := pprof.Lookup("goroutineleak"); *find && p != nil {
		for p.Count() < leaks { // the last to start may not wait yet
			run.Check(p.WriteTo(io.Discard, 0))
		}
	}
	ended := make(chan struct{})
	go serve(ended)
	defer close(ended)
	runtime.Goexit()
}

// serve is what is left of main.
func serve(ended chan struct{}) {
	<-ended
	run.Ready()
	run.Wait()
	truth := run.Measure()
	truth["sleepers"], truth["leaked"] = sleepers, leaks
	run.Truth(truth)
	os.Exit(0) // nobody returns from main
}
