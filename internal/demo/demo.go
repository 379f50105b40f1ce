// Package demo is a small order-fulfilment service with a latency problem, for `mayfly demo`.
//
// It is built the way that services with such problems are built, and it is all real: HTTP on
// loopback, an embedded store with one writer (bbolt), a short goroutine for each order line,
// pprof labels by endpoint and tenant, background jobs. What its default CPU profile shows is
// not what makes its orders slow:
//
//   - A re-index job burns a steady third of a CPU in one long goroutine. It is the largest
//     function of the default profile, and harmless: it takes no lock that an order needs.
//   - Heartbeats burn 1 to 1.5 ms each, started by timers. A profiler whose own timer beats in
//     the same rhythm sees them far too often or hardly at all.
//   - Order lines live for 1 to 3 ms each: at 100 Hz most of them are never seen.
//   - Twice a second the stocktake asks a scanner over the network while it holds the store's
//     only write transaction. Orders that come then wait for it. It costs no CPU, so no CPU
//     profile can show it, and it is the cause of the slow requests.
//
// The service counts the truth about itself (Truth), so that what a profiler says of it can be
// checked. The load comes from a second process (Drive), so that a profile of the service shows
// the service only. Both are deterministic given a seed, up to the scheduler.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"sync"
	"time"
)

// shutdownTime bounds how long requests may go on after the end was asked for.
const shutdownTime = time.Second

// Options say how to run the service. The zero value works.
type Options struct {
	// Addr is the TCP address to listen on; "" is a free port on loopback.
	Addr string
	// Parent, if not nil, is read until it ends, and the service ends with it: hand it the
	// standard input of a child process and the child outlives its parent by nothing.
	Parent io.Reader
	// Out receives one JSON object a line: a Ready when requests are accepted, a Truth at the
	// end. nil drops both.
	Out io.Writer
	// Seed makes another stock and other bursts; 0 is a seed like any other.
	Seed uint64
}

// Ready is the first line that a service prints.
type Ready struct {
	URL string `json:"url"` // http://127.0.0.1:PORT
	PID int    `json:"pid"`
}

// Serve runs the service until ctx ends or the parent closes its end; both are a success.
func Serve(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchParent(o.Parent, cancel)
	s, err := newService(o.Seed)
	if err != nil {
		return err
	}
	defer s.store.close()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := printLine(o.Out, Ready{URL: "http://" + l.Addr().String(), PID: os.Getpid()}); err != nil {
		l.Close()
		return err
	}
	if err := s.run(ctx, l); err != nil {
		return err
	}
	return printLine(o.Out, s.truth.snapshot(s.kernels))
}

// watchParent calls stop when parent ends. The read cannot be interrupted, so its goroutine
// stays until then; the process that it belongs to is about to end anyway.
func watchParent(parent io.Reader, stop func()) {
	if parent == nil {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, parent)
		stop()
	}()
}

func printLine(w io.Writer, v any) error {
	if w == nil {
		return nil
	}
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// service is the running service.
type service struct {
	store   *store
	kernels *kernels
	truth   *truth
	seed    uint64
}

func newService(seed uint64) (*service, error) {
	st, err := openStore(seed)
	if err != nil {
		return nil, err
	}
	return &service{store: st, kernels: calibrate(), truth: newTruth(), seed: seed}, nil
}

// run serves on l until ctx ends, then waits for requests and jobs.
func (s *service) run(ctx context.Context, l net.Listener) error {
	jobs, stopJobs := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopJobs()
	if err := s.startJobs(jobs, &wg); err != nil {
		l.Close()
		return err
	}
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("demo: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// handler is a mux of its own: the default profile is served where people expect it, and
// nothing else of the process gets a door.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /fulfil", s.fulfil)
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /truth", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, s.truth.snapshot(s.kernels))
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// reply writes v as JSON. The client may be gone: then nobody is there to tell.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// size is how many CPUs the demo adapts to: it loads about half of them, at most four.
func size() int { return min(runtime.GOMAXPROCS(0), 8) }
