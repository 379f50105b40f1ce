package main

import (
	"context"
	"fmt"
	"hash/crc64"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/world"
)

// members is how many goroutines a request is spread over.
const members = 10

// order reads the body of a POST, and has ten goroutines work on it.
func order(member func(ctx context.Context, i int, big bool)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var wg sync.WaitGroup
		for i := range members {
			wg.Add(1)
			go func() {
				defer wg.Done()
				member(r.Context(), i, len(body) > 10000)
			}()
		}
		wg.Wait()
		reply(w, err)
	}
}

func posts(rate float64, burst int, every time.Duration) world.Load {
	return world.Load{Rate: rate, Burst: burst, Every: every, Calls: []world.Call{{Path: "/order", Body: 2000, Share: 19},
		{Path: "/order", Body: 20000, Share: 1}}}
}

// stock is one lock that is held over a call.
type stock struct {
	mu     sync.Mutex
	client *http.Client
	url    string
}

func (s *stock) take(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserve(ctx)
}

//go:noinline
func (s *stock) reserve(ctx context.Context) { ask(ctx, s.client, s.url) }

func fanoutLock(e *env, l net.Listener) error {
	s := &stock{client: client(), url: e.url("http", 1)}
	return route("POST /order", func(e *env) http.HandlerFunc {
		return order(func(ctx context.Context, _ int, _ bool) { s.take(ctx) })
	})(e, l)
}

// prices come from elsewhere; those of big orders late.
type prices struct {
	client *http.Client
	e      *env
}

//go:noinline
func (p *prices) fetch(ctx context.Context, i int, big bool) {
	ms := 5 + i
	if big && i == 7 {
		ms = 300
	}
	ask(ctx, p.client, p.e.url("http", ms))
}

func fanoutUpstream(e *env, l net.Listener) error {
	p := &prices{client(), e}
	return route("POST /order", func(e *env) http.HandlerFunc { return order(p.fetch) })(e, l)
}

var table = crc64.MakeTable(crc64.ISO)

// burn computes for about as long as d on a CPU of its own.
//
//go:noinline
func burn(d time.Duration) uint64 {
	var sum uint64
	block := make([]byte, 1024)
	for range max(1, int(d/perBlock)) {
		sum = crc64.Update(sum, table, block)
	}
	return sum
}

// perBlock is what a block of burn takes.
var perBlock = func() time.Duration {
	block, least := make([]byte, 1024), time.Hour
	for range 50 { // others may have the CPU now and then
		begin := time.Now()
		for range 100 {
			crc64.Update(0, table, block)
		}
		least = min(least, time.Since(begin)/100)
	}
	return least
}()

//go:noinline
func score(_ context.Context, _ int, big bool) {
	d := 2 * time.Millisecond
	if big {
		d = 40 * time.Millisecond
	}
	if burn(d) == 1 {
		fmt.Println()
	}
}

func fanoutCPU(e *env, l net.Listener) error {
	return route("POST /order", func(*env) http.HandlerFunc { return order(score) })(e, l)
}

//go:noinline
func check(context.Context, int, bool) { burn(500 * time.Microsecond) }

func fanoutStarved(e *env, l net.Listener) error {
	return route("POST /order", func(*env) http.HandlerFunc { return order(check) })(e, l)
}
