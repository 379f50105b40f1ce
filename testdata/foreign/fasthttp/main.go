// Command fasthttp is a server of one goroutine a connection, which serves all requests of it: the
// labels of a request are set on that goroutine and taken off again.
package main

import (
	"context"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

func main() {
	t := tally.New()
	order := t.Set("main.orderBody", "path", "/order")
	status := t.Set("main.statusBody", "path", "/status", "tenant", "globex")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	go fasthttp.Serve(l, func(ctx *fasthttp.RequestCtx) {
		switch string(ctx.Path()) {
		case "/order":
			order.Do(context.Background(), func(context.Context) { ctx.SetBody(orderBody()) })
		default:
			status.Do(context.Background(), func(context.Context) { ctx.SetBody(statusBody()) })
		}
	})
	for i := range 12 {
		go load("http://" + l.Addr().String() + []string{"/order", "/order", "/status"}[i%3])
	}
	t.Run()
}

//go:noinline
func orderBody() []byte { return tally.Work(5 * time.Millisecond) }

//go:noinline
func statusBody() []byte { return tally.Work(0) }

func load(url string) {
	var client fasthttp.Client
	for !run.Stopped() {
		_, _, err := client.Get(nil, url)
		run.Check(err)
		time.Sleep(10 * time.Millisecond)
	}
}
