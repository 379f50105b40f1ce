package timeline

import (
	"fmt"
	"slices"
	"testing"
)

// part is what a handler does for some ms, with labels: key, value, key, value.
type part struct {
	length int64
	labels []string
}

// connection adds a kept connection with requests, each of these parts, 5 ms apart; all are in one middleware.
func (w world) connection(goid int64, requests ...[]part) {
	idle := w.on("internal/poll.(*FD).Read", "net/http.(*connReader).Read", serveConn)
	stack := w.on("time.Sleep", "main.middleware", serveHTTP, serveConn)
	pieces := []Piece{w.piece(1, 300*ms, State{Name: "IO wait"}, idle)}
	at := 300 * ms
	for _, parts := range requests {
		for _, x := range parts {
			p := w.piece(at, at+x.length*ms, State{Name: "sleep"}, stack)
			set := map[string]string{}
			for i := 0; i < len(x.labels); i += 2 {
				set[x.labels[i]] = x.labels[i+1]
			}
			p.Labels = w.LabelSet(set)
			pieces, at = append(pieces, p), p.To
		}
		pieces = append(pieces, w.piece(at, at+5*ms, State{Name: "IO wait"}, idle))
		at += 5 * ms
	}
	w.To = max(w.To, at+500*ms)
	w.AddTrack(&Track{Goid: goid, Pieces: append(pieces, w.piece(at, w.To, State{Name: "IO wait"}, idle))})
}

// grouped is the requests by a label, with their lengths.
func (w world) grouped(key string) map[string][]int64 {
	w.Settle()
	got := map[string][]int64{}
	for _, g := range w.Groups(w.Find(Selector{}).Whole, key) {
		for _, r := range g.Requests {
			got[g.Value] = append(got[g.Value], r.Length()/ms)
		}
	}
	return got
}

// TestLabelsOfARequest has requests that get their labels late, have others for a part, or only on a goroutine that they start: each
// is one request, with its beginning, under the value that it had longest.
func TestLabelsOfARequest(t *testing.T) {
	for name, tt := range map[string]struct {
		request []part
		want    string
	}{
		"set after the first part": {[]part{{70, nil}, {30, []string{"endpoint", "/a"}}}, "map[/a:[100]]"},
		"set after another one": {[]part{{70, []string{"request", "7"}}, {30, []string{"request", "7", "endpoint", "/a"}}},
			"map[/a:[100]]"},
		"made more precise": {[]part{{20, []string{"endpoint", "/"}}, {60, []string{"endpoint", "/a/{id}"}}, {20, []string{"endpoint", "/"}}},
			"map[/a/{id}:[100]]"},
		"beside one that changes": {[]part{{30, []string{"endpoint", "/a", "step", "1"}}, {30, []string{"endpoint", "/a", "step", "2"}},
			{40, []string{"endpoint", "/b", "step", "3"}}}, "map[/a:[100]]"},
	} {
		w := newWorld(ByTime)
		w.connection(1, tt.request)
		if got := fmt.Sprint(w.grouped("endpoint")); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestLabelsOfAChild has a handler that has another goroutine do its work, as net/http's TimeoutHandler does, and that one set the label.
func TestLabelsOfAChild(t *testing.T) {
	w := newWorld(ByTime)
	w.connection(1, []part{{100, nil}})
	p := w.piece(301*ms, 399*ms, State{Name: "sleep"}, w.on("time.Sleep", "main.handle", "net/http.(*timeoutHandler).ServeHTTP.func1"))
	p.Labels = w.LabelSet(map[string]string{"endpoint": "/a"})
	w.AddTrack(&Track{Goid: 2, Parent: 1, Pieces: []Piece{p}})
	if got := fmt.Sprint(w.grouped("endpoint")); got != "map[/a:[100]]" {
		t.Error(got)
	}
}

// TestRoutesDoNotTellRequestsApart has 20 routes, and a middleware that labels each request with a part of its route before the route
// is known. A label with as many values cuts requests only if its values do not come back.
func TestRoutesDoNotTellRequestsApart(t *testing.T) {
	w := newWorld(ByTime)
	for goid := range int64(8) {
		var all [][]part
		for i := range int64(20) {
			area, route := fmt.Sprint("/", i/5), fmt.Sprint("/", i/5, "/", i)
			all = append(all, []part{{10, nil}, {10, []string{"endpoint", area}}, {30, []string{"endpoint", route}}})
		}
		w.connection(goid+1, all...)
	}
	got := w.grouped("endpoint")
	if n := len(got); n != 20 {
		t.Errorf("%d groups", n)
	}
	for route, lengths := range got {
		if len(lengths) != 8 || slices.Min(lengths) != 50 || slices.Max(lengths) != 50 {
			t.Errorf("%s: requests of %v ms", route, lengths)
		}
	}
}

// TestIdentifying has labels with 40 values: of requests, whose goroutines inherit them and one of whose workers takes them too, of
// spans within a request, and of a few tenants that come back.
func TestIdentifying(t *testing.T) {
	w := newWorld(ByTime)
	sleep := w.on("time.Sleep", "main.work")
	id := int64(100)
	for i := range 40 {
		request, tenant := fmt.Sprint("r", i), fmt.Sprint("t", i%20)
		one := func(span string) []string { return []string{"request", request, "span", span, "tenant", tenant} }
		w.connection(id, []part{{10, one(request + "a")}, {10, one(request + "b")}})
		for _, parent := range []int64{id, id, id, id, id, 0} {
			p := w.piece(301*ms, 310*ms, State{Name: "sleep"}, sleep)
			p.Labels = w.LabelSet(map[string]string{"request": request})
			w.AddTrack(&Track{Goid: id + 1, Parent: parent, Pieces: []Piece{p}})
			id++
		}
		id++
	}
	w.connection(10, []part{{50, []string{"tenant", "t1"}}}, []part{{50, []string{"tenant", "t2"}}})
	for i := range 60 {
		w.connection(int64(11+i), []part{{50, []string{"tenant", fmt.Sprint("t", i%20)}}})
	}
	w.Settle()
	if got := w.identifying(w.insideOf(Selector{})).Keys(); !slices.Equal(got, []string{"request", "span"}) {
		t.Errorf("%v tell requests apart", got)
	}
	for _, r := range w.Find(Selector{}).Whole {
		if set := w.Labels[r.Labels]; set["request"] != "" && r.Length() != 20*ms {
			t.Fatalf("%v: %d ms", set, r.Length()/ms)
		}
	}
}
