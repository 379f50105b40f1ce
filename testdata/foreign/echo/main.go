// Command echo is a server whose middleware labels requests by pprof.SetGoroutineLabels and never
// takes them off: net/http's connection goroutine carries the last request's labels while it waits
// for the next one, as many programs' do. Connections are closed after each answer.
package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime/pprof"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

func main() {
	t := tally.New()
	orders := t.Set("main.order", "endpoint", "/order/:id")
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("endpoint", c.Path())))
			return next(c)
		}
	})
	e.GET("/order/:id", func(c echo.Context) error { return order(c, orders) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	go http.Serve(l, e)
	for range 8 {
		go load("http://" + l.Addr().String() + "/order/7")
	}
	t.Run()
}

//go:noinline
func order(c echo.Context, s *tally.Set) error {
	defer s.Count(time.Now())
	tally.Work(3 * time.Millisecond)
	return c.JSON(http.StatusOK, tally.Order{ID: len(c.Param("id"))})
}

func load(url string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for !run.Stopped() {
		answer, err := client.Get(url)
		run.Check(err)
		_, err = io.Copy(io.Discard, answer.Body)
		run.Check(err)
		answer.Body.Close()
		time.Sleep(15 * time.Millisecond)
	}
}
