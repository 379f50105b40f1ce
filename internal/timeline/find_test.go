package timeline

import (
	"slices"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

// TestManyWithOneLabel has a label that all goroutines have: the value is one request, and to find it takes no time by the square of
// their number.
func TestManyWithOneLabel(t *testing.T) {
	w := newWorld(ByTime)
	state, stack, labels := State{Name: "sleep"}, w.on("time.Sleep", "main.work"), w.LabelSet(map[string]string{"service": "a"})
	const n = 100_000
	for id := range int64(n) {
		p := w.piece(100*ms+id, 700*ms, state, stack)
		p.Labels = labels
		w.AddTrack(&Track{Goid: id + 1, Parent: id/2 + n, Pieces: []Piece{p}})
	}
	w.Settle()
	var found Found
	cost.Limit{Bytes: 1 << 30, Time: 20 * time.Second}.Hold(t, func() { found = w.Find(Selector{By: Label, Name: "service"}) })
	if len(found.Whole) != 1 || len(found.Whole[0].Kids) != n-1 {
		t.Errorf("%d requests", len(found.Whole))
	}
}

// TestManyKids has a kept connection with many requests, each of which starts a goroutine: each has its own.
func TestManyKids(t *testing.T) {
	w := newWorld(ByTime)
	w.To = 1000 * 1000 * ms
	idle := w.on("internal/poll.(*FD).Read", "net/http.(*connReader).Read", serveConn)
	handler, child := w.on("main.handle", serveHTTP, serveConn), w.on("main.child")
	const n = 100_000
	var pieces []Piece
	for i := range int64(n) {
		at := 100*ms + i*ms
		pieces = append(pieces, w.piece(at, at+ms/2, State{Name: "sleep"}, handler), w.piece(at+ms/2, at+ms, State{Name: "IO wait"}, idle))
		w.AddTrack(&Track{Goid: 2*n - i, Parent: 1, Pieces: []Piece{w.piece(at+ms/4, at+ms/3, State{Name: "sleep"}, child)}})
	}
	w.AddTrack(&Track{Goid: 1, Pieces: append(pieces, w.piece(100*ms+n*ms, w.To, State{Name: "IO wait"}, idle))})
	w.Settle()
	var found Found
	cost.Limit{Bytes: 1 << 30, Time: 20 * time.Second}.Hold(t, func() { found = w.Find(Selector{}) })
	if len(found.Whole) != n {
		t.Fatalf("%d requests, want %d", len(found.Whole), n)
	}
	for _, r := range found.Whole {
		if len(r.Kids) != 1 || r.Kids[0].Pieces[0].From != r.From+ms/4 {
			t.Fatalf("the request at %d ms has %d goroutines", r.From/ms, len(r.Kids))
		}
	}
}

// TestLabelSets has two sets of labels that differ by where one text ends and the next begins.
func TestLabelSets(t *testing.T) {
	b := NewBuilder(ByTime)
	one := b.LabelSet(map[string]string{"a": "x\x00b\x00y"})
	two := b.LabelSet(map[string]string{"a": "x", "b": "y"})
	if one == two || b.Labels[two]["b"] != "y" || content(b.Labels[one]) == content(b.Labels[two]) {
		t.Errorf("%q and %q are one set", b.Labels[one], b.Labels[two])
	}
}

// TestServerOfTrace has a trace of a process with two servers, of which one calls the other: who names one wants its requests only.
func TestServerOfTrace(t *testing.T) {
	const unary = "google.golang.org/grpc.(*Server).handleStream"
	w := newWorld(ByTrace)
	idle := w.on("internal/poll.(*FD).Read", "net/http.(*connReader).Read", serveConn)
	asks, answers := w.on("runtime.selectgo", "main.ask", serveHTTP, serveConn), w.on("main.answer", unary)
	wait, run := State{Name: "IO wait"}, State{Name: "running"}
	w.AddTrack(&Track{Goid: 1, Pieces: []Piece{w.piece(0, 200*ms, wait, idle), w.piece(200*ms, 300*ms, State{Name: "select"}, asks),
		w.piece(300*ms, w.To, wait, idle)}})
	w.AddTrack(&Track{Goid: 2, Pieces: []Piece{w.piece(210*ms, 290*ms, run, answers)}})
	w.Settle()
	for name, want := range map[string][]int64{"": {1, 2}, serveHTTP: {1}, unary: {2}} {
		var got []int64
		for _, r := range w.Find(Selector{By: Func, Name: name}).Whole {
			got = append(got, r.Main.Goid)
		}
		if !slices.Equal(got, want) {
			t.Errorf("requests of %q: of goroutines %d, want %d", name, got, want)
		}
	}
}
