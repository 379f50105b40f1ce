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
