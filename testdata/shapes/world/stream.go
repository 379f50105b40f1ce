package world

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Stream is clients that hold a connection open, listen, and come back.
type Stream struct {
	Path      string
	Clients   int
	For       time.Duration // on average
	WebSocket bool
}

func (c *clients) stream(ctx context.Context, s Stream) {
	for ctx.Err() == nil {
		end, cancel := context.WithTimeout(ctx, s.For/2+rand.N(s.For))
		switch {
		case c.GRPC:
			c.watch(end, s)
		case s.WebSocket:
			c.talk(end, s)
		default:
			c.listen(end, s)
		}
		<-end.Done()
		cancel()
	}
}

func (c *clients) listen(ctx context.Context, s Stream) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+s.Path, nil)
	if err != nil {
		panic(err)
	}
	if answer, err := c.http.Do(r); err == nil {
		defer answer.Body.Close()
		io.Copy(io.Discard, answer.Body)
	}
}

// talk says a word, hears it back, and waits.
func (c *clients) talk(ctx context.Context, s Stream) {
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, strings.Replace(c.URL, "http", "ws", 1)+s.Path, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for sleep(ctx, 100*time.Millisecond) {
		if conn.WriteMessage(websocket.TextMessage, []byte("word")) != nil {
			return
		}
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

func (c *clients) watch(ctx context.Context, s Stream) {
	w, err := c.grpc.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: s.Path})
	for err == nil {
		_, err = w.Recv()
	}
}
