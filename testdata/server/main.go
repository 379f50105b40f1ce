// Command server is a JSON service over HTTP on loopback, with its clients in the same process:
// short handlers, encoding/json, system calls, network waits, garbage collection.
//
// Handlers run under pprof.Do with the labels "endpoint" (orders, search, user) and "tenant"
// (t0 .. t3). The endpoints do different amounts of work per request: user 1, orders 4, search 16
// items of JSON, decoded and encoded.
//
// Truth: requests answered, in all and per endpoint and tenant ("orders/t2"), counted by the
// handlers. With -ctl FILE word 0 of the page counts them while the program runs. With -pprof ADDR
// net/http/pprof is served there and the ready line tells the address chosen: "ready http=ADDR".
//
// With -rps N the clients send so many requests a second together, and each handler has the label
// "request" with a number of its own. With -beat D one goroutine naps under the label "beat", whose
// value counts up every D or a little later: a recording that lacks a number has a gap.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

type item struct {
	ID    int               `json:"id"`
	Name  string            `json:"name"`
	Price float64           `json:"price"`
	Tags  []string          `json:"tags"`
	Attrs map[string]string `json:"attrs"`
}

var (
	endpoints = []string{"orders", "search", "user"}
	sizes     = map[string]int{"orders": 4, "search": 16, "user": 1}
	tenants   = []string{"t0", "t1", "t2", "t3"}
)

// service answers requests and counts them.
type service struct {
	all    *uint64
	begun  uint64       // requests
	number bool         // label them
	counts [3][4]uint64 // by endpoint and tenant
}

func (s *service) handle(endpoint int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tenant := int(r.Header.Get("Tenant")[1] - '0')
		labels := []string{"endpoint", endpoints[endpoint], "tenant", tenants[tenant]}
		if s.number {
			labels = append(labels, "request", strconv.FormatUint(atomic.AddUint64(&s.begun, 1), 10))
		}
		pprof.Do(r.Context(), pprof.Labels(labels...), func(context.Context) { answer(w, r) })
		atomic.AddUint64(&s.counts[endpoint][tenant], 1)
		atomic.AddUint64(s.all, 1)
	}
}

// answer decodes the items of the request, raises the prices and sends them back.
func answer(w http.ResponseWriter, r *http.Request) {
	var items []item
	if err := json.NewDecoder(r.Body).Decode(&items); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for i := range items {
		items[i].Price *= 1.2
		items[i].Tags = append(items[i].Tags, "seen")
	}
	json.NewEncoder(w).Encode(items)
}

func body(n int) []byte {
	var items []item
	for i := 0; i < n; i++ {
		items = append(items, item{ID: i, Name: fmt.Sprintf("item %d", i), Price: 9.99 * float64(i+1),
			Tags: []string{"a", "b", "c"}, Attrs: map[string]string{"colour": "green", "size": "xl"}})
	}
	b, err := json.Marshal(items)
	run.Check(err)
	return b
}

// beat counts up its label every period, or later when it gets no CPU: it does not hurry to catch up. It
// wakes up ten times in it: who sleeps for longer is scanned less often.
func beat(period time.Duration) {
	for i := 0; !run.Stopped(); i++ {
		pprof.Do(context.Background(), pprof.Labels("beat", strconv.Itoa(i)), func(context.Context) {
			for j := 0; j < 10; j++ {
				time.Sleep(period / 10)
			}
		})
	}
}

// client sends requests to all endpoints for all tenants, in turn, until the program ends: one every
// period, or one after the other.
func client(addr string, n int, period time.Duration) {
	c := http.Client{Transport: &http.Transport{}}
	bodies := map[string][]byte{}
	for e, size := range sizes {
		bodies[e] = body(size)
	}
	next := time.Now().Add(time.Duration(n) * time.Millisecond)
	for i := n; !run.Stopped(); i++ {
		next = next.Add(period)
		time.Sleep(time.Until(next))
		e := endpoints[i%3]
		req, err := http.NewRequest("POST", "http://"+addr+"/"+e, bytes.NewReader(bodies[e]))
		run.Check(err)
		req.Header.Set("Tenant", tenants[i/3%4])
		resp, err := c.Do(req)
		run.Check(err)
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func listen(addr string) net.Listener {
	l, err := net.Listen("tcp", addr)
	run.Check(err)
	return l
}

func main() {
	clients := flag.Int("clients", 8, "client goroutines")
	procs := flag.Int("procs", 0, "GOMAXPROCS; 0: the runtime's choice")
	debug := flag.String("pprof", "", "serve net/http/pprof on this address, such as 127.0.0.1:0")
	rps := flag.Int("rps", 0, "requests a second of all clients, numbered by a label; 0: as many as can be")
	beats := flag.Duration("beat", 0, "period of the goroutine whose label counts; 0: none")
	ctl := flag.String("ctl", "", "publish the count of requests in this file")
	flag.Parse()
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	s := &service{all: &run.Page(*ctl)[0], number: *rps > 0}
	var period time.Duration
	if *rps > 0 {
		period = time.Duration(*clients) * time.Second / time.Duration(*rps)
	}
	mux := http.NewServeMux()
	for i, e := range endpoints {
		mux.Handle("/"+e, s.handle(i))
	}
	l := listen("127.0.0.1:0")
	go http.Serve(l, mux)
	var done sync.WaitGroup
	for i := 0; i < *clients; i++ {
		done.Add(1)
		go func(n int) { client(l.Addr().String(), n, period); done.Done() }(i)
	}
	if *beats > 0 {
		go beat(*beats)
	}
	if *debug != "" {
		d := listen(*debug)
		go http.Serve(d, nil)
		run.Ready("http=" + d.Addr().String())
	} else {
		run.Ready()
	}
	run.Wait()
	done.Wait()
	run.Truth(s.truth())
}

func (s *service) truth() map[string]interface{} {
	by := map[string]uint64{}
	for e := range s.counts {
		for t, n := range s.counts[e] {
			by[endpoints[e]+"/"+tenants[t]] = n
		}
	}
	truth := run.Measure()
	truth["requests"], truth["by"] = *s.all, by
	return truth
}
