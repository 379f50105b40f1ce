// Command chi is a router whose middleware labels each request with the pattern of its route, which
// is known only once the router has found it, and a group of routes with the tenant too.
package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

func main() {
	t := tally.New()
	order := t.Set("main.serveOrder", "route", "/tenants/{tenant}/orders/{id}", "tenant", "acme")
	status := t.Set("main.serveStatus", "route", "/status")
	r := chi.NewRouter()
	r.Use(middleware.RequestID, middleware.Recoverer)
	r.Route("/tenants/{tenant}", func(r chi.Router) {
		r.With(labelled(order)).Get("/orders/{id}", http.HandlerFunc(serveOrder))
	})
	r.With(labelled(status)).Get("/status", http.HandlerFunc(serveStatus))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	go http.Serve(l, r)
	for i := range 12 {
		go load("http://" + l.Addr().String() + []string{"/tenants/acme/orders/7", "/status"}[i%2])
	}
	t.Run()
}

func labelled(s *tally.Set) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			labels := map[string]string{"route": chi.RouteContext(r.Context()).RoutePattern(), "tenant": chi.URLParam(r, "tenant")}
			for k, want := range s.Labels {
				if labels[k] != want {
					panic(k + " is " + labels[k])
				}
			}
			s.Do(r.Context(), func(ctx context.Context) { next.ServeHTTP(w, r.WithContext(ctx)) })
		})
	}
}

func serveOrder(w http.ResponseWriter, r *http.Request) { w.Write(tally.Work(4 * time.Millisecond)) }

func serveStatus(w http.ResponseWriter, r *http.Request) { w.Write(tally.Work(0)) }

func load(url string) {
	client := &http.Client{Transport: &http.Transport{}}
	for !run.Stopped() {
		answer, err := client.Get(url)
		run.Check(err)
		_, err = io.Copy(io.Discard, answer.Body)
		run.Check(err)
		answer.Body.Close()
		time.Sleep(10 * time.Millisecond)
	}
}
