// Package world is what surrounds the service of testdata/shapes, each part as a process of its own:
// the clients, the services that it calls, and the neighbour that takes its CPUs.
package world

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Load is what the clients do. With Clients it is a closed loop: each waits for its answer, and
// then thinks. Otherwise it is an open one: requests come when they come, at random, whether the
// earlier ones are answered or not, and take as long as since then.
type Load struct {
	URL     string        // of the service; for gRPC its address
	Rate    float64       // requests a second; of an open loop
	Burst   int           // as many come at once in addition,
	Every   time.Duration // this often;
	Path    string        // what they ask for, if not the same as the others
	Clients int
	Think   time.Duration
	Calls   []Call
	GRPC    bool
	HTTP2   bool
	Streams []Stream // beside the requests
}

// Call is one kind of request.
type Call struct {
	Path  string // of gRPC the service that is asked for
	Body  int    // bytes; more than none make it a POST
	Share int    // how many of the requests, relative to the other calls' shares
	Slow  bool   // sends its body, or else reads the answer, late
}

// Answer is one request as its client saw it.
type Answer struct {
	Path   string `json:"path"`
	Begin  int64  `json:"begin_ns"` // Unix time
	Length int64  `json:"length_ns"`
	Status int    `json:"status"` // 0: no answer
}

type clients struct {
	Load
	http    *http.Client
	grpc    grpc_health_v1.HealthClient
	body    []byte
	mu      sync.Mutex
	answers []Answer
}

// Run makes the load until ctx ends, and writes the answers that came until then to w.
func (l Load) Run(ctx context.Context, w io.Writer) error {
	c := &clients{Load: l}
	if err := c.connect(); err != nil {
		return err
	}
	for _, s := range l.Streams {
		for range s.Clients {
			go c.stream(ctx, s)
		}
	}
	if l.Clients > 0 {
		for range l.Clients {
			go c.think(ctx)
		}
	} else {
		go c.arrive(ctx)
		go c.bursts(ctx)
	}
	<-ctx.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.NewEncoder(w).Encode(c.answers)
}

func (c *clients) connect() error {
	for _, call := range c.Calls {
		c.body = append(c.body, make([]byte, max(0, call.Body-len(c.body)))...)
	}
	t := &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}
	if c.HTTP2 {
		t.ForceAttemptHTTP2 = true
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the certificate is the service's own
	}
	c.http = &http.Client{Transport: t}
	if !c.GRPC {
		return nil
	}
	conn, err := grpc.NewClient(c.URL, grpc.WithTransportCredentials(insecure.NewCredentials()))
	c.grpc = grpc_health_v1.NewHealthClient(conn)
	return err
}

// arrive lets requests come one by one, at random.
func (c *clients) arrive(ctx context.Context) {
	for next := time.Now(); c.Rate > 0; {
		next = next.Add(time.Duration(rand.ExpFloat64() / c.Rate * float64(time.Second)))
		if !sleep(ctx, time.Until(next)) {
			return
		}
		go c.ask(next, c.draw())
	}
}

func (c *clients) bursts(ctx context.Context) {
	for next := time.Now(); c.Burst > 0; {
		next = next.Add(c.Every)
		if !sleep(ctx, time.Until(next)) {
			return
		}
		for range c.Burst {
			call := c.draw()
			if c.Path != "" {
				call = Call{Path: c.Path}
			}
			go c.ask(next, call)
		}
	}
}

// think is one client of a closed loop.
func (c *clients) think(ctx context.Context) {
	for sleep(ctx, time.Duration(rand.ExpFloat64()*float64(c.Think))) {
		c.ask(time.Now(), c.draw())
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (c *clients) ask(begin time.Time, call Call) {
	status := 0
	if c.GRPC {
		_, err := c.grpc.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{Service: call.Path})
		if err == nil {
			status = http.StatusOK
		}
	} else {
		status = c.get(call)
	}
	a := Answer{call.Path, begin.UnixNano(), int64(time.Since(begin)), status}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = append(c.answers, a)
}

func (c *clients) draw() Call {
	all := 0
	for _, call := range c.Calls {
		all += call.Share
	}
	n := rand.IntN(all)
	for _, call := range c.Calls {
		if n -= call.Share; n < 0 {
			return call
		}
	}
	panic("a share is negative")
}

func (c *clients) get(call Call) (status int) {
	method, body := http.MethodGet, io.Reader(nil)
	if call.Body > 0 {
		method, body = http.MethodPost, bytes.NewReader(c.body[:call.Body])
		if call.Slow {
			body = io.MultiReader(io.LimitReader(body, 1), pause{}, body)
		}
	}
	r, err := http.NewRequest(method, c.URL+call.Path, body)
	if err != nil {
		panic(err)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if call.Slow && call.Body == 0 {
		pause{}.Read(nil)
	}
	io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// pause is a Reader that takes a while to be empty.
type pause struct{}

func (pause) Read([]byte) (int, error) {
	time.Sleep(300 * time.Millisecond)
	return 0, io.EOF
}
