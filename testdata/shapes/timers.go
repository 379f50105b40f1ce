package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// throttle lets ten requests a second through.
type throttle struct{ limiter *rate.Limiter }

//go:noinline
func (t *throttle) pass(ctx context.Context) error { return t.limiter.Wait(ctx) }

func rateLimiter(*env) http.HandlerFunc {
	t := &throttle{rate.NewLimiter(10, 1)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, t.pass(r.Context())) }
}

// batcher collects items and writes them twice a second.
type batcher struct{ items chan item }

type item struct {
	value string
	done  chan error
}

func (b *batcher) add(value string) error {
	it := item{value, make(chan error, 1)}
	b.items <- it
	return <-it.done
}

func (b *batcher) flushes() {
	var batch []item
	tick := time.NewTicker(500 * time.Millisecond)
	for {
		select {
		case it := <-b.items:
			batch = append(batch, it)
		case <-tick.C:
			b.flush(batch)
			batch = batch[:0]
		}
	}
}

//go:noinline
func (b *batcher) flush(batch []item) {
	for _, it := range batch {
		it.done <- nil
	}
}

func batch(*env) http.HandlerFunc {
	b := &batcher{make(chan item)}
	go b.flushes()
	return func(w http.ResponseWriter, r *http.Request) { reply(w, b.add(r.URL.Path)) }
}

// mails are sent again, a while later, when the upstream was not there.
type mails struct {
	client *http.Client
	e      *env
}

func (m *mails) send(ctx context.Context, down bool) error {
	url := m.e.url("http", 2)
	if down {
		url += "&status=503"
	}
	status, err := ask(ctx, m.client, url)
	if status == http.StatusServiceUnavailable {
		if err := m.pause(ctx); err != nil {
			return err
		}
		_, err = ask(ctx, m.client, m.e.url("http", 2))
	}
	return err
}

//go:noinline
func (m *mails) pause(ctx context.Context) error {
	select {
	case <-time.After(250 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func backOff(e *env) http.HandlerFunc {
	m := &mails{client(), e}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, m.send(r.Context(), isLarge(r))) }
}

// rates gives up on an upstream that takes too long.
type rates struct {
	client *http.Client
	e      *env
}

//go:noinline
func (s *rates) latest(ctx context.Context, late bool) error {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	ms := 5
	if late {
		ms = 2000
	}
	if _, err := ask(ctx, s.client, s.e.url("http", ms)); err != nil {
		return fmt.Errorf("yesterday's: %w", err)
	}
	return nil
}

func contextTimeout(e *env) http.HandlerFunc {
	s := &rates{client(), e}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, s.latest(r.Context(), isLarge(r))) }
}
