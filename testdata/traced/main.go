// Command traced writes an execution trace of a small HTTP service to -o, and its truth: how long each call of the handler took.
// Four clients in the same process ask 15 times each; every call holds one lock over a sleep of 2 ms, is a task "order" and has
// a region "hold" in it. It must build with Go 1.22.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/trace"
	"sync"
	"time"
)

const (
	clients = 4
	asks    = 15
)

type service struct {
	lock  sync.Mutex
	mu    sync.Mutex
	calls []int64 // ns
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	ctx, task := trace.NewTask(r.Context(), "order")
	s.lock.Lock()
	trace.WithRegion(ctx, "hold", s.hold)
	s.lock.Unlock()
	task.End()
	s.mu.Lock()
	s.calls = append(s.calls, time.Since(begin).Nanoseconds())
	s.mu.Unlock()
	fmt.Fprintln(w, "done")
}

func (s *service) hold() { time.Sleep(2 * time.Millisecond) }

func main() {
	out := flag.String("o", "", "file to write the trace to")
	flag.Parse()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	s := &service{}
	f, err := os.Create(*out)
	check(err)
	check(trace.Start(f))
	go http.Serve(l, s)
	var all sync.WaitGroup
	for i := 0; i < clients; i++ {
		all.Add(1)
		go ask("http://"+l.Addr().String(), &all)
	}
	all.Wait()
	time.Sleep(5 * time.Millisecond) // the connections are idle again
	trace.Stop()
	check(f.Close())
	check(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{"go": runtime.Version(), "calls": s.calls}))
}

func ask(url string, all *sync.WaitGroup) {
	defer all.Done()
	c := &http.Client{Transport: &http.Transport{}}
	for i := 0; i < asks; i++ {
		r, err := c.Get(url)
		check(err)
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "traced:", err)
		os.Exit(1)
	}
}
