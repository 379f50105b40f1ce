package exectrace

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"runtime/trace"
	"testing"
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
