package timeline

import (
	"fmt"
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	httpConn = "net/http.(*conn).serve"
	grpcConn = "google.golang.org/grpc.(*Server).serveStreams"
	grpcCall = grpcConn + ".func2"
)

func came(at, read int64) sample.Arrival { return sample.Arrival{Came: at, Read: read} }

// TestCutUnread has goroutines that wait for a socket, which has something to read before they are woken at 100 ms.
func TestCutUnread(t *testing.T) {
	reading := State{Name: "IO wait"}
	for name, tt := range map[string]struct {
		root     string
		arrivals []sample.Arrival
		readable int64 // of the wait
	}{
		"what was there":           {httpConn, []sample.Arrival{came(90*ms, 102*ms)}, 10 * ms},
		"of gRPC":                  {grpcConn, []sample.Arrival{came(90*ms, 102*ms)}, 10 * ms},
		"what was read before":     {httpConn, []sample.Arrival{came(5*ms, 9*ms)}, 0},
		"what came later":          {httpConn, []sample.Arrival{came(101*ms, 130*ms)}, 0},
		"the last of them":         {httpConn, []sample.Arrival{came(5*ms, 9*ms), came(93*ms, 102*ms), came(101*ms, 140*ms)}, 7 * ms},
		"before it waited":         {httpConn, []sample.Arrival{came(5*ms, 102*ms)}, 90 * ms},
		"nothing":                  {httpConn, nil, 0},
		"an answer for who called": {"main.client", []sample.Arrival{came(90*ms, 102*ms)}, 0},
	} {
		w := newWorld(ByTrace)
		on := w.on("net/http.(*connReader).Read", tt.root)
		w.AddTrack(&Track{Goid: 1, Pieces: []Piece{w.piece(10*ms, 100*ms, reading, on), w.piece(100*ms, 103*ms, State{Name: "running"}, on)}})
		w.Settle()
		w.arrivals = map[int64][]sample.Arrival{1: tt.arrivals}
		w.cutUnread()
		sum, at := int64(0), 10*ms
		for _, p := range w.ByID[1].Pieces {
			if p.From != at {
				t.Errorf("%s: a piece from %d ms, the one before ends at %d", name, p.From/ms, at/ms)
			}
			if at = p.To; w.unread(&p) {
				sum += p.Length()
			}
		}
		if sum != tt.readable || at != 103*ms {
			t.Errorf("%s: readable for %d ms, to %d ms, want %d and 103", name, sum/ms, at/ms, tt.readable/ms)
		}
	}
}

// TestCallsCame has a connection of gRPC whose goroutine is woken twice, for two calls and for one.
func TestCallsCame(t *testing.T) {
	w := newWorld(ByTrace)
	reading, running := State{Name: "IO wait"}, State{Name: "running"}
	on, call := w.on("internal/poll.(*FD).Read", grpcConn), w.on("main.answer", grpcCall)
	w.AddTrack(&Track{Goid: 1, Pieces: []Piece{w.piece(0, 100*ms, reading, on), w.piece(100*ms, 101*ms, running, on),
		w.piece(101*ms, 200*ms, reading, on), w.piece(200*ms, 201*ms, running, on)}})
	for goid, born := range map[int64]int64{2: 101 * ms, 3: 100*ms + ms/2, 4: 201 * ms} {
		woken := born / (100 * ms) * 100 * ms
		w.AddTrack(&Track{Goid: goid, Parent: 1, Pieces: []Piece{w.Arrived(woken, born, call), w.piece(born, born+ms, running, call)}})
	}
	w.Settle()
	w.arrivals = map[int64][]sample.Arrival{1: {came(60*ms, 100*ms), came(195*ms, 200*ms)}}
	w.cutUnread()
	w.callsCame()
	for goid, want := range map[int64]int64{2: 100 * ms, 3: 60 * ms, 4: 195 * ms} {
		if from := w.ByID[goid].Pieces[0].From; from != want {
			t.Errorf("the call of goroutine %d begins at %d ms, want %d", goid, from/ms, want/ms)
		}
	}
}

// TestServedUnread has a connection whose next requests are there before its goroutine reads them: by a read for which it had no CPU,
// and while it still handled the one before, so that it waits for what has come in.
func TestServedUnread(t *testing.T) {
	w := newWorld(ByTrace)
	read, handler := w.on("net/http.(*connReader).Read", httpConn), w.on("main.handle", "net/http.serverHandler.ServeHTTP", httpConn)
	answer := w.on("syscall.write", "net/http.(*response).finishRequest", httpConn)
	wait, sleep, call := State{Name: "IO wait"}, State{Name: "sleep"}, State{Name: "syscall"}
	denied := w.piece(45*ms, 50*ms, State{Name: "preempted" + inCall}, read)
	denied.Kind = OSScheduler
	w.AddTrack(&Track{Goid: 1, Parent: 2, Pieces: []Piece{w.piece(0, 10*ms, wait, read), w.piece(10*ms, 30*ms, sleep, handler),
		w.piece(30*ms, 31*ms, call, answer), w.piece(31*ms, 45*ms, State{Name: "running"}, read), denied, w.piece(50*ms, 60*ms, sleep, handler),
		w.piece(60*ms, 61*ms, call, answer), w.piece(61*ms, 70*ms, wait, read), w.piece(70*ms, 80*ms, sleep, handler),
		w.piece(80*ms, 81*ms, call, answer), w.piece(81*ms, 100*ms, wait, read)}})
	w.AddTrack(&Track{Goid: 3, Pieces: []Piece{w.piece(0, w.To, wait, w.Nothing)}})
	w.Settle()
	w.arrivals = map[int64][]sample.Arrival{1: {came(8*ms, 11*ms), came(40*ms, 46*ms), came(60*ms+ms/2, 71*ms)}}
	w.cutUnread()
	got := ""
	for _, r := range w.Find(Selector{}).Whole {
		got += fmt.Sprintf(" %d-%d", r.From/ms, r.To/ms)
	}
	if want := " 8-30 40-60 60-80"; got != want {
		t.Errorf("requests%s, want%s", got, want)
	}
}
