// Command idle is a server that has little to do: a few requests a second over loopback, each of
// 3 to 10 ms of CPU, about 7 % of a core in all. Most of the time no thread of it runs.
//
// Handlers run under the pprof label "kind" = small, medium or large (3, 6 or 10 ms). Truth: the
// requests and the CPU time of their work by kind, by the clock of the thread that did it.
package main

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

type kind struct {
	name     string
	cpu      time.Duration
	requests int64
	cpuNs    int64
}

var kinds = []*kind{
	{name: "small", cpu: 3 * time.Millisecond},
	{name: "medium", cpu: 6 * time.Millisecond},
	{name: "large", cpu: 10 * time.Millisecond},
}

func (k *kind) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pprof.Do(r.Context(), pprof.Labels("kind", k.name), func(context.Context) {
		atomic.AddInt64(&k.cpuNs, int64(burn(k.cpu)))
	})
	atomic.AddInt64(&k.requests, 1)
	io.WriteString(w, "ok")
}

// burn uses that much CPU time of its thread and returns what it used in truth.
//
//go:noinline
func burn(d time.Duration) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := run.ThreadCPU()
	var used time.Duration
	for x := uint64(0); used < d; used = run.ThreadCPU() - start {
		for i := uint64(0); i < 50000; i++ {
			x = x*31 + i
		}
		atomic.StoreUint64(&sink, x)
	}
	return used
}

var sink uint64

func main() {
	rate := flag.Float64("rate", 11, "requests per second")
	flag.Parse()
	mux := http.NewServeMux()
	for _, k := range kinds {
		mux.Handle("/"+k.name, k)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	go http.Serve(l, mux)
	go func() {
		tick := time.NewTicker(time.Duration(float64(time.Second) / *rate))
		for i := 0; ; i++ {
			<-tick.C
			resp, err := http.Get("http://" + l.Addr().String() + "/" + kinds[i%3].name)
			run.Check(err)
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	run.Ready()
	run.Wait()
	by := map[string]interface{}{}
	for _, k := range kinds {
		by[k.name] = map[string]int64{"requests": atomic.LoadInt64(&k.requests), "cpu_ns": atomic.LoadInt64(&k.cpuNs)}
	}
	truth := run.Measure()
	truth["kinds"] = by
	run.Truth(truth)
}
