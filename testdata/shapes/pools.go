package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/jackc/puddle/v2"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
)

// renderers are three, and each takes 60 ms for a page.
type renderers struct {
	pool *puddle.Pool[*http.Client]
	url  string
}

//go:noinline
func (s *renderers) render(ctx context.Context) error {
	r, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer r.Release()
	_, err = ask(ctx, r.Value(), s.url)
	return err
}

func resourcePool(e *env) http.HandlerFunc {
	pool, err := puddle.NewPool(&puddle.Config[*http.Client]{
		Constructor: func(context.Context) (*http.Client, error) { return client(), nil },
		Destructor:  func(c *http.Client) { c.CloseIdleConnections() },
		MaxSize:     3,
	})
	run.Check(err)
	s := &renderers{pool, e.url("http", 60)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, s.render(r.Context())) }
}

// fares are asked for by fasthttp's client, over two connections.
type fares struct {
	client *fasthttp.Client
	url    string
}

//go:noinline
func (s *fares) quote() error {
	_, _, err := s.client.Get(nil, s.url)
	return err
}

func fastConnections(e *env, l net.Listener) error {
	s := &fares{&fasthttp.Client{MaxConnsPerHost: 2, MaxConnWaitTimeout: 10 * time.Second}, e.url("http", 50)}
	return fasthttp.Serve(l, func(ctx *fasthttp.RequestCtx) {
		if err := s.quote(); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadGateway)
			return
		}
		fmt.Fprintln(ctx, "done")
	})
}

// leases are four, and who wants one gives up when its client does.
type leases struct {
	free   chan struct{}
	client *http.Client
	url    string
}

func (s *leases) with(ctx context.Context, do func() error) error {
	select {
	case s.free <- struct{}{}:
		defer func() { <-s.free }()
		return do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// transfer needs a lease for two calls, one beside the other.
//
//go:noinline
func (s *leases) transfer(ctx context.Context) error {
	return s.with(ctx, func() error {
		var g errgroup.Group
		for range 2 {
			g.Go(func() error {
				_, err := ask(ctx, s.client, s.url)
				return err
			})
		}
		return g.Wait()
	})
}

func leased(e *env) http.HandlerFunc {
	s := &leases{make(chan struct{}, 4), client(), e.url("http", 60)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, s.transfer(r.Context())) }
}
