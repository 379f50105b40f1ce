package main

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// gate is a channel as a semaphore.
type gate struct {
	places chan struct{}
	client *http.Client
	url    string
}

func (g *gate) query(ctx context.Context) error {
	g.places <- struct{}{}
	defer func() { <-g.places }()
	return g.run(ctx)
}

//go:noinline
func (g *gate) run(ctx context.Context) error {
	_, err := ask(ctx, g.client, g.url)
	return err
}

func channelSemaphore(e *env) http.HandlerFunc {
	g := &gate{make(chan struct{}, 2), client(), e.url("http", 50)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, g.query(r.Context())) }
}

// tokens are taken from a channel and put back.
type tokens struct {
	free   chan int
	client *http.Client
	url    string
}

func (t *tokens) print(ctx context.Context) error {
	n := <-t.free
	defer func() { t.free <- n }()
	return t.send(ctx)
}

//go:noinline
func (t *tokens) send(ctx context.Context) error {
	_, err := ask(ctx, t.client, t.url)
	return err
}

func tokenChannel(e *env) http.HandlerFunc {
	t := &tokens{make(chan int, 2), client(), e.url("http", 50)}
	t.free <- 1
	t.free <- 2
	return func(w http.ResponseWriter, r *http.Request) { reply(w, t.print(r.Context())) }
}

type weighted struct {
	sem    *semaphore.Weighted
	client *http.Client
	url    string
}

func (s *weighted) search(ctx context.Context) error {
	if err := s.sem.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.sem.Release(1)
	return s.scan(ctx)
}

//go:noinline
func (s *weighted) scan(ctx context.Context) error {
	_, err := ask(ctx, s.client, s.url)
	return err
}

func weightedSemaphore(e *env) http.HandlerFunc {
	s := &weighted{semaphore.NewWeighted(3), client(), e.url("http", 50)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, s.search(r.Context())) }
}

// thumbs fetches n pictures, two at a time.
type thumbs struct {
	client *http.Client
	url    string
}

func (t *thumbs) fetchAll(ctx context.Context, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for range n {
		g.Go(func() error { return t.fetch(ctx) })
	}
	return g.Wait()
}

//go:noinline
func (t *thumbs) fetch(ctx context.Context) error {
	_, err := ask(ctx, t.client, t.url)
	return err
}

func errgroupLimit(e *env) http.HandlerFunc {
	t := &thumbs{client(), e.url("http", 15)}
	return func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		reply(w, t.fetchAll(r.Context(), n))
	}
}

// quotes has a transport that opens two connections and no more.
type quotes struct {
	client *http.Client
	url    string
}

//go:noinline
func (q *quotes) get(ctx context.Context) error {
	_, err := ask(ctx, q.client, q.url)
	return err
}

func maxConnsPerHost(e *env) http.HandlerFunc {
	q := &quotes{&http.Client{Transport: &http.Transport{MaxConnsPerHost: 2, MaxIdleConnsPerHost: 2}}, e.url("http", 50)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, q.get(r.Context())) }
}

// limitListener lets in four connections; who has none waits before the handler.
func limitListener(e *env, l net.Listener) error {
	return http.Serve(netutil.LimitListener(l, 4), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		time.Sleep(20 * time.Millisecond)
		reply(w, nil)
	}))
}
