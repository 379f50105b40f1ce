package main

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// accounts has a lock for each, all taken on one line of code. One account is popular.
type accounts struct {
	locks  [8]sync.Mutex
	client *http.Client
	e      *env
}

func (a *accounts) update(ctx context.Context, n int) error {
	a.locks[n].Lock()
	defer a.locks[n].Unlock()
	if n == 0 {
		return a.audit(ctx)
	}
	return a.book(ctx)
}

//go:noinline
func (a *accounts) audit(ctx context.Context) error {
	_, err := ask(ctx, a.client, a.e.url("http", 60))
	return err
}

//go:noinline
func (a *accounts) book(ctx context.Context) error {
	_, err := ask(ctx, a.client, a.e.url("http", 10))
	return err
}

func twoLocks(e *env) http.HandlerFunc {
	a := &accounts{client: client(), e: e}
	return func(w http.ResponseWriter, r *http.Request) {
		n := 1 + int(time.Now().UnixNano()>>20)%7
		if isLarge(r) {
			n = 0
		}
		reply(w, a.update(r.Context(), n))
	}
}

// index is read by all requests, and now and then built anew.
type index struct {
	mu     sync.RWMutex
	client *http.Client
	url    string
}

func (x *index) refresh() {
	for range time.Tick(time.Second) {
		x.mu.Lock()
		x.rebuild()
		x.mu.Unlock()
	}
}

//go:noinline
func (x *index) rebuild() { ask(context.Background(), x.client, x.url) }

//go:noinline
func (x *index) lookup() {
	x.mu.RLock()
	defer x.mu.RUnlock()
}

func rwMutex(e *env) http.HandlerFunc {
	x := &index{client: client(), url: e.url("http", 200)}
	go x.refresh()
	return func(w http.ResponseWriter, r *http.Request) {
		x.lookup()
		reply(w, nil)
	}
}

// tariffs are read by one endpoint and loaded anew by another, which holds their lock meanwhile and rarely has to wait for it. Both
// are served on the same kept connections.
type tariffs struct {
	mu     sync.Mutex
	client *http.Client
	url    string
}

func (x *tariffs) refresh(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.load(ctx)
}

//go:noinline
func (x *tariffs) load(ctx context.Context) error {
	_, err := ask(ctx, x.client, x.url)
	return err
}

//go:noinline
func (x *tariffs) get() {
	x.mu.Lock()
	defer x.mu.Unlock()
}

func otherEndpoint(e *env) http.Handler {
	x := &tariffs{client: client(), url: e.url("http", 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		x.get()
		reply(w, nil)
	})
	mux.HandleFunc("/refresh", func(w http.ResponseWriter, r *http.Request) { reply(w, x.refresh(r.Context())) })
	return mux
}
