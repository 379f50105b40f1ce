package timeline

import (
	"fmt"
	"testing"

	"github.com/google/pprof/profile"
)

// TestLabelsLeftOn has a connection whose handler sets labels and does not take them off: the next request begins with those of the one
// before, for longer than it has its own.
func TestLabelsLeftOn(t *testing.T) {
	route := func(r string) []string { return []string{"endpoint", r} }
	w := newWorld(ByTime)
	w.connection(1,
		[]part{{10, nil}, {20, route("/a")}},
		[]part{{70, route("/a")}, {10, route("/b")}},
		[]part{{50, route("/b")}},
		[]part{{60, route("/b")}, {10, route("/b/step")}, {5, route("/b")}},
		[]part{{90, route("/b")}, {10, route("/a")}},
	)
	w.leave(1)
	if got, want := fmt.Sprint(w.grouped("endpoint")), "map[/a:[30 100] /b:[80 50 75]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestIDsLeftOn has ids of requests that are left on: what has the id of the one before is no request of its own, nor a part of that.
func TestIDsLeftOn(t *testing.T) {
	w := newWorld(ByTime)
	for goid := range int64(4) {
		var all [][]part
		for i := range 10 {
			id := fmt.Sprint(goid, "-", i)
			if i == 0 {
				all = append(all, []part{{30, nil}, {20, []string{"request", id}}})
				continue
			}
			all = append(all, []part{{30, []string{"request", fmt.Sprint(goid, "-", i-1)}}, {20, []string{"request", id}}})
		}
		w.connection(goid+1, all...)
		w.leave(goid + 1)
	}
	got := w.grouped("request")
	if len(got) != 40 {
		t.Errorf("%d requests, not 40", len(got))
	}
	for id, lengths := range got {
		if fmt.Sprint(lengths) != "[50]" {
			t.Errorf("%s: %v ms, want 50", id, lengths)
		}
	}
	for _, r := range w.Find(Selector{By: Label, Name: "request"}).Whole {
		if r.Length() != 20*ms {
			t.Errorf("%s had its label for %d ms, not 20", r.ID, r.Length()/ms)
		}
	}
}

// leave has a connection keep its labels while it waits for the next request, as a recording shows it.
func (w world) leave(goid int64) {
	pieces := w.ByID[goid].Pieces
	for i := range pieces[1:] {
		if p := &pieces[i+1]; w.Stacks[p.Stack].idle() {
			p.Labels, p.Left = pieces[i].Labels, true
		}
	}
	leftOn(pieces)
}

// TestReadLabelsLeftOn reads such a connection from a profile: what waits for the next request has the labels of the one before.
func TestReadLabelsLeftOn(t *testing.T) {
	p := &profile.Profile{TimeNanos: 1e9, DurationNanos: 1000 * ms, SampleType: []*profile.ValueType{{Type: "samples"}, {Type: "wall"}}}
	at := p.TimeNanos
	add := func(state string, length int64, route string, stack ...string) {
		s := &profile.Sample{Value: []int64{0, length * ms}, Label: map[string][]string{"go.state": {state}, "endpoint": {route}}}
		for _, name := range append(stack, serveConn) {
			f := &profile.Function{Name: name}
			p.Function = append(p.Function, f)
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: f}}})
		}
		at += length * ms
		s.NumLabel = map[string][]int64{"go.id": {7}, "end_timestamp_ns": {at}}
		p.Sample = append(p.Sample, s)
	}
	idle, handler := []string{"internal/poll.(*FD).Read", "net/http.(*connReader).Read"}, []string{"time.Sleep", "main.handle", serveHTTP}
	add("IO wait", 300, "/a", idle...)
	add("sleep", 90, "/a", handler...)
	add("sleep", 10, "/b", handler...)
	add("IO wait", 600, "/b", idle...)
	tl, err := ReadAll(p)
	if err != nil {
		t.Fatal(err)
	}
	got := tl.Find(Selector{}).Whole
	if len(got) != 1 {
		t.Fatalf("%d requests, not 1", len(got))
	}
	if tl.Labels[got[0].Labels]["endpoint"] != "/b" || got[0].Length() != 100*ms {
		t.Errorf("%v of %d ms", tl.Labels[got[0].Labels], got[0].Length()/ms)
	}
}
