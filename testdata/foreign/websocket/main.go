// Command websocket is a server of connections taken over from net/http (Hijack), each served by one
// goroutine for its whole life: the labels are of the connection, and each message is handled under
// one more.
package main

import (
	"context"
	"net"
	"net/http"
	"runtime/pprof"
	"time"

	"github.com/gorilla/websocket"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

func main() {
	t := tally.New()
	s := &server{
		order: t.Set("main.(*server).handle", "conn", "websocket", "message", "order"),
		ping:  t.Set("main.(*server).handle", "conn", "websocket", "message", "ping"),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	go http.Serve(l, s)
	for range 6 {
		go load("ws://" + l.Addr().String())
	}
	t.Run()
}

type server struct {
	upgrader    websocket.Upgrader
	order, ping *tally.Set
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.upgrader.Upgrade(w, r, nil)
	run.Check(err)
	pprof.Do(context.Background(), pprof.Labels("conn", "websocket"), func(ctx context.Context) {
		for s.serve(ctx, c) == nil {
		}
	})
}

func (s *server) serve(ctx context.Context, c *websocket.Conn) error {
	kind, message, err := c.ReadMessage()
	if err != nil {
		return err
	}
	set, pause := s.ping, time.Duration(0)
	if len(message) > 4 {
		set, pause = s.order, 2*time.Millisecond
	}
	set.Do(ctx, func(context.Context) { err = s.handle(c, kind, pause) })
	return err
}

//go:noinline
func (s *server) handle(c *websocket.Conn, kind int, pause time.Duration) error {
	return c.WriteMessage(kind, tally.Work(pause))
}

func load(url string) {
	c, _, err := websocket.DefaultDialer.Dial(url, nil)
	run.Check(err)
	for n := 0; !run.Stopped(); n++ {
		body := tally.Body
		if n%2 == 0 {
			body = body[:4]
		}
		run.Check(c.WriteMessage(websocket.TextMessage, body))
		_, _, err := c.ReadMessage()
		run.Check(err)
		time.Sleep(5 * time.Millisecond)
	}
}
