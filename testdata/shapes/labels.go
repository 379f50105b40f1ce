package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
)

// bank books transfers before anybody knows the route: its middleware has read the body, and has called another service, when the
// router sets the label that says what the request is.
type bank struct {
	mu     sync.Mutex
	client *http.Client
	e      *env
}

func (b *bank) received(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			err = b.check(r.Context())
		}
		if err == nil && strings.HasPrefix(r.URL.Path, "/transfers/") {
			err = b.book(r.Context())
		}
		if err != nil {
			reply(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

//go:noinline
func (b *bank) check(ctx context.Context) error { return b.call(ctx, 15) }

//go:noinline
func (b *bank) book(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.post(ctx)
}

//go:noinline
func (b *bank) post(ctx context.Context) error { return b.call(ctx, 60) }

func (b *bank) call(ctx context.Context, ms int) error {
	_, err := ask(ctx, b.client, b.e.url("http", ms))
	return err
}

func (b *bank) show(w http.ResponseWriter, r *http.Request) { reply(w, b.call(r.Context(), 10)) }

func (b *bank) serve(l net.Listener, labelled func(http.Handler) http.Handler) error {
	c := chi.NewRouter()
	c.Use(b.received)
	inside := c.With(labelled)
	inside.Post("/transfers/{id}", b.show)
	inside.Post("/accounts/{id}", b.show)
	return http.Serve(l, c)
}

// routed labels a request with its route while the handler runs.
func routed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pprof.Do(r.Context(), labelsOf(r), func(ctx context.Context) { next.ServeHTTP(w, r.WithContext(ctx)) })
	})
}

// left labels it, too, and leaves the label on: the next request of the connection begins with it.
func left(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := pprof.WithLabels(r.Context(), labelsOf(r))
		pprof.SetGoroutineLabels(ctx)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func labelsOf(r *http.Request) pprof.LabelSet {
	return pprof.Labels("route", chi.RouteContext(r.Context()).RoutePattern())
}

func lateLabel(e *env, l net.Listener) error { return (&bank{client: client(), e: e}).serve(l, routed) }

func labelLeft(e *env, l net.Listener) error { return (&bank{client: client(), e: e}).serve(l, left) }
