// Command traps serves requests of 3 ms, one after the other on two goroutines, with the label "endpoint" for the time of each,
// and does nothing else that labels could be wrong about: each request waits for the goroutines that it starts; the workers that
// it hands work to were started before, without labels, and have its labels for the time of the work; a stream with a
// goroutine beside it, and a job in the background, have set labels of their own, which they keep all the time.
//
// With -trap there is something more:
//
//	pool       twice a second a request has a worker started, in main.grow, which stays and works for all requests; no worker
//	           sets labels
//	transport  twice a second a request has to dial, and net/http keeps the connection's two goroutines
//	timer      each request leaves 1 ms of CPU time to a function of time.AfterFunc, main.late
//
// Truth: requests, and what the trap did: workers started, connections dialled, functions called.
package main

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var (
	requests, trapped uint64
	work              = make(chan func())
	trap              = flag.String("trap", "", "pool, transport or timer")
	server            string
)

func labelled(endpoint string, f func(context.Context)) {
	pprof.Do(context.Background(), pprof.Labels("endpoint", endpoint), f)
}

func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

func worker() {
	for f := range work {
		f()
	}
}

//go:noinline
func grow() { go worker() }

//go:noinline
func late() {
	spin(time.Millisecond)
	atomic.AddUint64(&trapped, 1)
}

// request is what a request does. due says that it is its turn to fall into the trap.
func request(ctx context.Context, c *http.Client, due bool) {
	var children sync.WaitGroup
	children.Add(2)
	go func() { time.Sleep(time.Millisecond); children.Done() }()
	work <- func() {
		if *trap != "pool" {
			pprof.SetGoroutineLabels(ctx)
			defer pprof.SetGoroutineLabels(context.Background())
		}
		spin(500 * time.Microsecond)
		children.Done()
	}
	switch {
	case *trap == "timer":
		time.AfterFunc(0, late)
	case due && *trap == "pool":
		grow()
		atomic.AddUint64(&trapped, 1)
	case *trap == "transport":
		if due {
			c.Transport = &http.Transport{} // the one before keeps its idle connection
		}
		r, err := c.Get(server)
		run.Check(err)
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	time.Sleep(2 * time.Millisecond)
	children.Wait()
	atomic.AddUint64(&requests, 1)
}

func serve(endpoints ...string) {
	next, client := time.Now().Add(500*time.Millisecond), &http.Client{Transport: &http.Transport{}}
	for i := 0; !run.Stopped(); i++ {
		due := time.Now().After(next)
		if due {
			next = next.Add(500 * time.Millisecond)
		}
		labelled(endpoints[i%len(endpoints)], func(ctx context.Context) { request(ctx, client, due) })
	}
}

// stream is served all the time, as a watcher's is.
func stream(context.Context) {
	events := make(chan int)
	go func() {
		for i := range events {
			_ = i
		}
	}()
	for i := 0; !run.Stopped(); i++ {
		events <- i
		time.Sleep(5 * time.Millisecond)
	}
}

func listen() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	server = "http://" + l.Addr().String()
	s := &http.Server{ConnState: func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			atomic.AddUint64(&trapped, 1)
		}
	}}
	go s.Serve(l)
}

func main() {
	flag.Parse()
	if *trap == "transport" {
		listen()
	}
	for i := 0; i < 2; i++ {
		go worker()
	}
	go labelled("/stream", stream)
	go labelled("/cron", func(context.Context) {
		for !run.Stopped() {
			time.Sleep(50 * time.Millisecond)
		}
	})
	go serve("/a", "/b")
	go serve("/c")
	run.Ready()
	run.Wait()
	truth := run.Measure()
	truth["requests"], truth["trapped"] = atomic.LoadUint64(&requests), atomic.LoadUint64(&trapped)
	run.Truth(truth)
}
