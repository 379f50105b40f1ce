package timeline

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

const flush = "net/http.(*response).Flush"

// TestStreamsByScans has handlers of which looks saw a little: streams and requests are told apart by what they do to their
// connection, however long they are.
func TestStreamsByScans(t *testing.T) {
	client := State{Name: "IO wait", Peer: "client 10.0.0.9"}
	wait, run := State{Name: "select"}, State{Name: "running"}
	type scan struct {
		state State
		stack []string
	}
	handler := func(names ...string) []string { return append(names, "main.log", serveHTTP, serveConn) }
	events, once := scan{wait, handler("main.events")}, scan{wait, handler("main.page")}
	sends := scan{run, handler(flush, "main.events")}
	raw := handler("internal/poll.(*FD).Read", "net.(*conn).Read", "main.talk")
	body := handler("internal/poll.(*FD).Read", "net.(*conn).Read", "net/http.(*connReader).Read", "net/http.(*body).Read", "main.talk")
	slow := handler("internal/poll.(*FD).Write", "net.(*conn).Write", "net/http.checkConnErrorWriter.Write", "main.talk")
	for _, tt := range []struct {
		name    string
		ahead   bool // net/http looks beside the handler whether the client goes away
		all     [][]scan
		streams int
	}{
		{"events: all of a handler that was seen to flush again and again", true,
			[][]scan{{events, sends, events, sends, events, sends}, {events, sends, events}, {events}, {events, sends},
				{once}, {once}, {once}, {once}, {once}}, 4},
		{"events: one flush seen of each", true, [][]scan{{events, sends, events}, {events, sends, events, events},
			{events, events, sends, events}, {events}, {events, sends}, {once}, {once, sends}}, 5},
		{"flushes between two other waits", true, [][]scan{{events, sends, once}, {events, sends, once}, {events, sends, once}, {events}}, 0},
		{"few flush and wait again", true, [][]scan{{events, sends, events, sends, events}, {events, sends, events}, {events}, {events}, {events},
			{events}, {events}, {events}, {events}, {events}, {events}}, 0},
		{"two flushes are an answer in parts", true, [][]scan{{events, sends, events, sends}, {events}}, 0},
		{"one long flush is one", true, [][]scan{{sends, sends, sends, sends}, {events}}, 0},
		{"few of a handler's requests flush", true,
			[][]scan{{events, sends, events, sends, events, sends}, {events}, {events}, {events}, {once}}, 1},
		{"taken over", false, [][]scan{{{client, raw}}, {once}}, 1},
		{"another accepted connection is waited for", true, [][]scan{{{client, raw}}, {once}}, 0},
		{"a peer that is not the client", false, [][]scan{{{State{Name: "IO wait", Peer: "10.0.0.7:5432"}, raw}}}, 0},
		{"a body comes slowly", false, [][]scan{{{client, body}}}, 0},
		{"an answer is taken slowly", false, [][]scan{{{client, slow}}}, 0},
		{"a streaming call", false, [][]scan{{{wait, []string{"main.watch", "google.golang.org/grpc.(*Server).processStreamingRPC",
			"google.golang.org/grpc.(*Server).handleStream"}}}}, 1},
	} {
		w := newWorld(ByTime)
		for i, scans := range tt.all {
			reads := w.piece(1, 50*ms, client, w.on("net.(*conn).Read", "net/http.(*connReader).Read", serveConn))
			g := &Track{Goid: int64(10 + i), Pieces: []Piece{reads}}
			at := 50 * ms
			for _, l := range scans {
				g.Pieces = append(g.Pieces, w.piece(at, at+50*ms, l.state, w.on(l.stack...)))
				at += 50 * ms
			}
			g.Pieces = append(g.Pieces, w.piece(at, 1000*ms, client, w.on("net.(*conn).Read", "net/http.(*connReader).Read", serveConn)))
			w.AddTrack(g)
			if tt.ahead {
				w.AddTrack(&Track{Goid: int64(100 + i), Parent: g.Goid, Pieces: []Piece{
					w.piece(50*ms, at, client, w.on("net.(*conn).Read", "net/http.(*connReader).backgroundRead"))}})
			}
		}
		w.Settle()
		f := w.Find(Selector{})
		if f.Streams != tt.streams || len(f.Whole) != len(tt.all)-tt.streams {
			t.Errorf("%s: %d streams and %d requests, of %d want %d streams", tt.name, f.Streams, len(f.Whole), len(tt.all), tt.streams)
		}
	}
}

// Thousands of functions below which something flushes, and a long recording: each of them is not looked for in all of it.
func TestStreamsOfManyFunctions(t *testing.T) {
	w := newWorld(ByTime)
	run := State{Name: "running"}
	var sends []int32
	for i := range 20 {
		names := []string{flush}
		for k := range 500 {
			names = append(names, fmt.Sprintf("main.f%d", 500*i+k))
		}
		sends = append(sends, w.on(append(names, "main.log", serveHTTP, serveConn)...))
	}
	page := w.on("main.page", "main.f0", "main.log", serveHTTP, serveConn)
	between := w.piece(0, 1, State{Name: "IO wait"}, w.on("net.(*conn).Read", "net/http.(*connReader).Read", serveConn))
	once, send := w.piece(0, 1, State{Name: "select"}, page), w.piece(0, 1, run, 0)
	for i := range 100 {
		g := &Track{Goid: int64(10 + i), Pieces: make([]Piece, 0, 10_000)}
		for k := range int64(10_000) {
			p := once
			switch at := int(k); {
			case at == 0 || at == 9999:
				p = between
			case i == 0 && at%2 == 1 && at < 6*len(sends):
				p = send
				p.Stack = sends[at/6]
			}
			p.From, p.To = 50*ms+k*ms/20, 50*ms+(k+1)*ms/20
			g.Pieces = append(g.Pieces, p)
		}
		w.AddTrack(g)
	}
	w.Settle()
	var f Found
	cost.Limit{Bytes: 1 << 30, Time: 5 * time.Second}.Hold(t, func() { f = w.Find(Selector{}) })
	if f.Streams != 1 || len(f.Whole) != 99 || slices.ContainsFunc(f.Whole, func(r *Request) bool { return r.Main.Goid == 10 }) {
		t.Errorf("%d streams and %d requests", f.Streams, len(f.Whole))
	}
}
