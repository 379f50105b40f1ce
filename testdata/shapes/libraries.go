package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/redis/go-redis/v9"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
)

// sessions are in Redis, over two connections.
type sessions struct{ client *redis.Client }

//go:noinline
func (s *sessions) find(ctx context.Context) error { return s.client.Get(ctx, "session").Err() }

func redisPool(e *env) http.HandlerFunc {
	s := &sessions{redis.NewClient(&redis.Options{
		Addr: e.peers["redis"], PoolSize: 2, PoolTimeout: 10 * time.Second, Protocol: 2, DisableIdentity: true,
	})}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, s.find(r.Context())) }
}

// throttled lets two requests in at a time, by chi's middleware.
func throttled(e *env, l net.Listener) error {
	q := &quotes{client(), e.url("http", 50)}
	c := chi.NewRouter()
	c.Use(middleware.ThrottleBacklog(2, 1000, 10*time.Second))
	c.Get("/page", func(w http.ResponseWriter, r *http.Request) { reply(w, q.get(r.Context())) })
	return http.Serve(l, c)
}

// retries sends mails again as a library says.
type retries struct {
	client *http.Client
	e      *env
}

var errDown = errors.New("not there")

//go:noinline
func (s *retries) send(ctx context.Context, down bool) error {
	_, err := backoff.Retry(ctx, func() (int, error) {
		url := s.e.url("http", 2)
		if down {
			down = false
			url += "&status=503"
		}
		status, err := ask(ctx, s.client, url)
		if status == http.StatusServiceUnavailable {
			err = errDown
		}
		return status, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(250*time.Millisecond)))
	return err
}

func retryLibrary(e *env) http.HandlerFunc {
	s := &retries{client(), e}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, s.send(r.Context(), isLarge(r))) }
}

// slowLog logs to a pipe whose reader takes a page every 10 ms; some requests log much.
func slowLog(e *env) http.HandlerFunc {
	in, out, err := os.Pipe()
	run.Check(err)
	go func() {
		for b := make([]byte, 4096); ; time.Sleep(10 * time.Millisecond) {
			in.Read(b)
		}
	}()
	a := &audit{log.New(out, "", 0), make([]byte, 60<<10)}
	return func(w http.ResponseWriter, r *http.Request) {
		a.write(isLarge(r))
		reply(w, nil)
	}
}

type audit struct {
	log  *log.Logger
	line []byte
}

//go:noinline
func (a *audit) write(large bool) {
	n := 100
	if large {
		n = len(a.line)
	}
	a.log.Printf("%x", a.line[:n])
}

// stages is two goroutines, one after the other, of which the second takes longer.
type stages struct {
	checks, prints chan job
	client         *http.Client
	e              *env
}

func (s *stages) checkAll() {
	for j := range s.checks {
		s.wait(5)
		s.prints <- j
	}
}

func (s *stages) printAll() {
	for j := range s.prints {
		j.done <- s.print()
	}
}

//go:noinline
func (s *stages) print() error { return s.wait(25) }

func (s *stages) wait(ms int) error {
	_, err := ask(context.Background(), s.client, s.e.url("http", ms))
	return err
}

func pipeline(e *env) http.HandlerFunc {
	s := &stages{make(chan job, 100), make(chan job, 100), client(), e}
	go s.checkAll()
	go s.printAll()
	return func(w http.ResponseWriter, r *http.Request) {
		j := job{make(chan error, 1)}
		s.checks <- j
		reply(w, <-j.done)
	}
}
