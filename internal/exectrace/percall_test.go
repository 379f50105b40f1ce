package exectrace

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/trace"
	"slices"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// TestCallArrives has calls of HTTP/2, for each of which the connection's goroutine starts one. What that one waited for a P before is in
// the call's life.
func TestCallArrives(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	var b bytes.Buffer
	check(t, trace.Start(&b))
	const calls = 20
	for range calls {
		answer, err := s.Client().Get(s.URL)
		check(t, err)
		check(t, answer.Body.Close())
	}
	trace.Stop()
	x := read(t, b.Bytes(), Options{})
	found := 0
	for _, g := range x.Tracks {
		if len(g.Pieces) < 2 || !x.PerCall(g.Pieces[0].Stack) || x.ByID[g.Parent] == nil {
			continue
		}
		woken := int64(0)
		for _, p := range x.ByID[g.Parent].Pieces {
			if p.Waits() && p.To <= g.Pieces[1].From {
				woken = p.To
			}
		}
		if woken == 0 || woken == g.Pieces[1].From {
			continue // nothing is known of the connection's goroutine before
		}
		if found++; g.Pieces[0].From != woken || g.Pieces[0].To != g.Pieces[1].From {
			t.Errorf("call of goroutine %d: begins %d ns after its connection was woken, and has a hole of %d ns", g.Goid,
				g.Pieces[0].From-woken, g.Pieces[1].From-g.Pieces[0].To)
		}
	}
	if found < calls/2 {
		t.Errorf("%d calls of which it is known when their connection was woken, want %d", found, calls)
	}
}

// TestCallIsSent reads a trace of an etcd 3.7.3 with two clients of gRPC (half a second of /debug/pprof/trace). A call ends when its
// connection's sender begins to write, or waits again, and that one is who ended the last wait of the call.
func TestCallIsSent(t *testing.T) {
	f, err := os.Open("testdata/etcd.trace.gz")
	check(t, err)
	defer f.Close()
	x, err := Read(f, Options{})
	check(t, err)
	calls, sent := 0, 0
	for _, g := range x.Tracks {
		last := g.Pieces[len(g.Pieces)-1]
		if !x.PerCall(g.Pieces[0].Stack) || last.To == x.To {
			continue
		}
		calls++
		sender := x.ByID[last.By]
		if sender == nil || !x.Sends(last.ByStack) {
			continue // it ended before the sender of its connection was seen to be woken
		}
		sent++
		writes := slices.ContainsFunc(sender.Pieces, func(p timeline.Piece) bool {
			return p.From == last.To && (p.Kind == timeline.Syscall || p.Waits())
		})
		if !writes || x.States[last.State].Name != "unsent" {
			t.Errorf("call of goroutine %d is %q to the end, when its sender does not begin to write", g.Goid, x.States[last.State].Name)
		}
	}
	requests := x.Find(timeline.Selector{}).Whole
	ends := 0
	for _, r := range requests {
		if r.To == r.Main.Pieces[len(r.Main.Pieces)-1].To {
			ends++
		}
	}
	if calls < 30 || sent < calls-4 || ends < sent {
		t.Errorf("%d of %d calls are sent, %d of %d requests end then", sent, calls, ends, len(requests))
	}
}
