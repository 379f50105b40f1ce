package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// service is the order-fulfilment service.
type service struct {
	cause
	*store
	carrier string // URL
	client  *http.Client
	next    atomic.Int64
	begun   atomic.Int64 // Unix ns, when the cause began

	mu       sync.Mutex // of requests
	requests []request

	booking sync.Mutex     // see bookAtCarrier
	orders  chan chan bool // to packOrders
	ledger  *ledger        // see journal
	catalog [][]*entry     // see growHeap
}

// request is one request as the service saw it.
type request struct {
	ID       string `json:"id"`
	Endpoint string `json:"endpoint"`
	Begin    int64  `json:"begin_ns"` // Unix
	Length   int64  `json:"length_ns"`
	Step     int64  `json:"step_ns"` // of Length, in what the cause adds
}

// order is the body of POST /fulfil.
type order struct {
	Tenant string  `json:"tenant"`
	SKUs   []int64 `json:"skus"`
}

func newService(c cause) (*service, error) {
	st, err := openStore(*dsn, c.conns)
	if err != nil {
		return nil, err
	}
	s := &service{cause: c, store: st, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if *late == 0 {
		s.begun.Store(time.Now().UnixNano())
	}
	if c.start != nil && (*late == 0 || !c.slows) {
		err = c.start(s)
	}
	return s, err
}

// begin has a cause begin that is late.
func (s *service) begin() {
	if *late == 0 {
		return
	}
	if s.procs > 0 {
		runtime.GOMAXPROCS(s.procs)
	}
	if s.start != nil && s.slows {
		run.Check(s.start(s))
	}
	s.begun.Store(time.Now().UnixNano())
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /fulfil", s.labelled("/fulfil", s.fulfil))
	mux.HandleFunc("GET /status", s.labelled("/status", s.status))
	return mux
}

// labelled runs a handler under the labels of its request and notes how long it took.
func (s *service) labelled(endpoint string, h func(context.Context, order) (time.Duration, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var o order
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		id := fmt.Sprintf("r%d", s.next.Add(1))
		var err error
		var step time.Duration
		pprof.Do(r.Context(), pprof.Labels("endpoint", endpoint, "tenant", o.Tenant, "request", id), func(ctx context.Context) {
			begin := time.Now()
			step, err = h(ctx, o)
			s.note(request{id, endpoint, begin.UnixNano(), time.Since(begin).Nanoseconds(), step.Nanoseconds()})
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		io.WriteString(w, "{}\n")
	}
}

func (s *service) note(r request) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
}

// fulfil reserves the order's articles, asks the carrier and prices the lines. What the cause adds
// comes between, and step is how long it takes.
func (s *service) fulfil(ctx context.Context, o order) (step time.Duration, err error) {
	if err := s.reserve(ctx, o.SKUs); err != nil {
		return 0, err
	}
	if s.step != nil && s.begun.Load() != 0 {
		begin := time.Now()
		if err := s.step(s, ctx, o); err != nil {
			return 0, err
		}
		step = time.Since(begin)
	}
	if err := s.quote(ctx, "/quote"); err != nil {
		return step, err
	}
	priceLines(len(o.SKUs))
	return step, nil
}

func (s *service) status(ctx context.Context, _ order) (time.Duration, error) {
	_, err := s.level(ctx, 7)
	return 0, err
}

// quote asks the carrier. /quote takes it 2 ms, /book 14 ms.
func (s *service) quote(ctx context.Context, path string) error {
	resp, err := s.client.Do(mustRequest(ctx, s.carrier+path))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

var sink atomic.Uint64

// priceLines burns about 100 us of CPU for each line.
func priceLines(lines int) { burn(time.Duration(lines) * 100 * time.Microsecond) }

// burn computes for about d of CPU time: by its own thread's clock, so that waiting does not count.
func burn(d time.Duration) {
	x := uint64(88172645463325252)
	for rounds := int(d / time.Nanosecond); rounds > 0; rounds-- {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink.Add(x)
}
