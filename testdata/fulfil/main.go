// Command fulfil is an order-fulfilment service with one cause of slow orders, chosen by -cause: the
// answer that `mayfly report` has to find.
//
// It is all real: net/http on loopback, database/sql over PostgreSQL with -dsn, and without it over
// an embedded store (bbolt); a carrier that is asked over HTTP; open-loop load with bursts. Load and
// carrier are this executable once more, as a process of its own, so that a profile of the service
// shows the service.
//
// Orders and status requests run under the pprof labels endpoint, tenant and request. The goroutines
// that they start inherit them.
//
// Truth: each request that was answered, with its endpoint, its begin (Unix ns), its length in ns and
// how much of it was in what the cause adds, timed inside the handler where the labels are set.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var (
	why   = flag.String("cause", "none", "why orders are slow: "+causeNames())
	dsn   = flag.String("dsn", "", "PostgreSQL to keep the stock in; empty: the embedded store")
	rate  = flag.Float64("rate", 20, "orders a second, and half the status requests")
	burst = flag.Int("burst", 30, "orders that come at once, every 900 ms")
	late  = flag.Duration("late", 0, "how long after the service is ready the cause begins; not of pool, twice")
	prof  = flag.String("pprof", "", "file for the default profile, runtime/pprof at 100 Hz, from the service being ready until it ends")
	world = flag.String("world", "", "be the load and the carrier of the service at this URL")
)

// warmUp is how long the load runs before the service calls itself ready: connections are opened,
// statements prepared, and the first goroutines have their stacks.
const warmUp = time.Second

func main() {
	flag.Parse()
	if *world != "" {
		run.Check(live(*world))
		return
	}
	c, ok := causes[*why]
	if !ok {
		run.Check(fmt.Errorf("fulfil: no cause %q: %s", *why, causeNames()))
	}
	if c.procs > 0 && *late == 0 {
		runtime.GOMAXPROCS(c.procs)
	}
	s, err := newService(c)
	run.Check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	go http.Serve(l, s.handler())
	outside, err := s.startWorld("http://" + l.Addr().String())
	run.Check(err)
	time.Sleep(warmUp)
	stop := startProfile(*prof)
	time.AfterFunc(*late, s.begin)
	run.Ready()
	run.Wait()
	stop()
	outside.Close()
	run.Truth(s.truth())
}

// startProfile begins what everyone has already.
func startProfile(file string) (stop func()) {
	if file == "" {
		return func() {}
	}
	f, err := os.Create(file)
	run.Check(err)
	run.Check(pprof.StartCPUProfile(f))
	return func() {
		pprof.StopCPUProfile()
		run.Check(f.Close())
	}
}

// startWorld starts the other process and learns where the carrier is.
func (s *service) startWorld(url string) (io.Closer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-world", url, "-cause", *why, fmt.Sprint("-rate=", *rate), fmt.Sprint("-burst=", *burst),
		fmt.Sprint("-late=", *late))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := fmt.Fscanln(stdout, &s.carrier); err != nil {
		return nil, fmt.Errorf("fulfil: the carrier does not start: %w", err)
	}
	_, err = io.WriteString(stdin, "go\n")
	return stdin, err
}

func mustRequest(ctx context.Context, url string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	run.Check(err)
	return r
}

// truth is what the service knows of its requests.
func (s *service) truth() map[string]interface{} {
	t := run.Measure()
	t["cause"], t["store"], t["begun_ns"] = *why, s.kind, s.begun.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := json.Marshal(s.requests)
	run.Check(err)
	t["requests"] = json.RawMessage(b)
	return t
}
