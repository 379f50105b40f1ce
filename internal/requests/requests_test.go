package requests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"

// serving is a connection that serves 20 requests of 10, 20, ... 200 ms, each with an id: half of it waits for a lock, the
// other half for another goroutine, which the request starts. Between them it waits for 5 ms, as its client does.
func serving() *profile.Profile {
	p := hostile.New(0, "k")
	begin := int64(1e18)
	p.TimeNanos = begin
	frames := make(map[string]*profile.Location)
	add := func(goid, end, ns int64, state, id string, names ...string) {
		s := &profile.Sample{Value: []int64{0, 0, 0, ns, ns}, Label: map[string][]string{"go.state": {state}},
			NumLabel: map[string][]int64{"go.id": {goid}, "end_timestamp_ns": {end}}}
		if goid > 1 {
			s.NumLabel["go.parent"] = []int64{1}
		}
		if id != "" {
			s.Label["id"], s.Label["trace_id"] = []string{id}, []string{trace}
		}
		for _, name := range names {
			if frames[name] == nil {
				id := uint64(len(p.Function) + 2)
				f := &profile.Function{ID: id, Name: name, Filename: "x.go"}
				frames[name] = &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
				p.Function, p.Location = append(p.Function, f), append(p.Location, frames[name])
			}
			s.Location = append(s.Location, frames[name])
		}
		p.Sample = append(p.Sample, s)
	}
	const serve, handler = "net/http.(*conn).serve", "net/http.serverHandler.ServeHTTP"
	at := begin + 300e6
	add(1, at, 300e6, "IO wait", "", "net.(*netFD).Read", serve)
	for i := range int64(20) {
		half := (i + 1) * 5e6
		id := fmt.Sprint("r", i)
		add(1, at+half, half, "sync.Mutex.Lock", id, "main.lock", "main.handle", handler, serve)
		add(1, at+2*half, half, "chan receive", id, "main.await", "main.handle", handler, serve)
		add(2+i, at+2*half+3e6, half+3e6, "select", "", "main.child") // which outlives it
		at += 2 * half
		add(1, at+5e6, 5e6, "IO wait", "", "net.(*netFD).Read", serve)
		at += 5e6
	}
	add(1, at+400e6, 400e6, "IO wait", "", "net.(*netFD).Read", serve)
	p.DurationNanos = at + 400e6 - begin
	return p
}

func find(t *testing.T, p *profile.Profile, pick Pick) *Found {
	t.Helper()
	tl, err := timeline.Read(p, slices.Values(p.Sample))
	if err != nil {
		t.Fatal(err)
	}
	found, err := In(tl, pick)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPick(t *testing.T) {
	for _, tt := range []struct {
		pick Pick
		want []int // ms
	}{
		{Pick{Worst: 3}, []int{200, 190, 180}},
		{Pick{Least: 180 * time.Millisecond}, []int{200, 190, 180}},
		{Pick{Least: time.Hour}, nil},
		{Pick{ID: "r4"}, []int{50}},
		{Pick{ID: trace, Worst: 1}, []int{200}},
	} {
		found := find(t, serving(), tt.pick)
		var got []int
		for _, r := range found.Picked {
			got = append(got, int(r.Length()/1e6))
		}
		if !slices.Equal(got, tt.want) || found.Whole != 20 {
			t.Errorf("%+v: %v of %d, want %v", tt.pick, got, found.Whole, tt.want)
		}
	}
	tl, err := timeline.ReadAll(serving())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := In(tl, Pick{ID: "\x1b[2Jr99"}); err == nil || !strings.Contains(err.Error(), "none of 20 whole requests") ||
		strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%v", err)
	}
	if _, err := In(tl, Pick{Request: timeline.Selector{By: timeline.Label, Name: "no"}}); err == nil {
		t.Error("requests of a label that nobody has")
	}
}

// What is kept of a recording is as much as the requests are said to have taken, to the nanosecond: an interval that goes on
// after its request is cut.
func TestKeptSumsAreThoseShown(t *testing.T) {
	p := serving()
	found := find(t, p, Pick{Least: 100 * time.Millisecond})
	shown := int64(0)
	for _, r := range found.Requests() {
		for _, m := range r.Moments {
			shown += m.Length
		}
	}
	found.Keep(p)
	kept := int64(0)
	for _, s := range p.Sample {
		if kept += s.Value[4]; s.Value[3] != s.Value[4] {
			t.Errorf("%v: the columns do not add up", s.Value)
		}
	}
	want := int64(0)
	for ms := int64(100); ms <= 200; ms += 10 {
		want += ms*1e6 + ms*5e5
	}
	if len(found.Picked) != 11 || shown != want || kept != want {
		t.Errorf("%d requests: %d ns shown, %d ns kept, want %d", len(found.Picked), shown, kept, want)
	}
	if err := p.CheckValid(); err != nil {
		t.Error(err)
	}
	if _, err := timeline.ReadAll(p); !errors.Is(err, timeline.ErrNoTimeline) {
		t.Errorf("what is kept has holes, and is read as a timeline: %v", err)
	}
	if c := p.Comments[len(p.Comments)-1]; c != "mayfly.requests_kept=11 of 20" {
		t.Errorf("%q", c)
	}
}

// A sample on a CPU is a point: it is of the request that it was taken in, with all of its weight.
func TestKeptSamplesOnCPU(t *testing.T) {
	p := serving()
	begin := p.TimeNanos + 300e6
	for i, at := range []int64{begin, begin + 1, begin + 10e6, begin + 10e6 + 1} {
		p.Sample = append(p.Sample, &profile.Sample{Location: p.Location[:1], Value: []int64{1, int64(i), 0, 0, int64(i)},
			NumLabel: map[string][]int64{"go.id": {1}, "end_timestamp_ns": {at}}})
	}
	found := find(t, serving(), Pick{ID: "r0"})
	found.Keep(p)
	var kept []int64
	for _, s := range p.Sample {
		if s.Value[0] > 0 {
			kept = append(kept, s.Value[1])
		}
	}
	if !slices.Equal(kept, []int64{1, 2}) {
		t.Errorf("samples %v of a request of 10 ms, want those that were taken after 1 ns and after 10 ms", kept)
	}
}

// TestTextWithoutReadAhead has net/http look, for a request, whether its client goes away: nothing waits for that.
func TestTextWithoutReadAhead(t *testing.T) {
	p := serving()
	f := &profile.Function{ID: uint64(len(p.Function) + 2), Name: "net/http.(*connReader).backgroundRead", Filename: "x.go"}
	at := &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
	p.Function, p.Location = append(p.Function, f), append(p.Location, at)
	for _, s := range p.Sample {
		if s.NumLabel["go.id"][0] == 21 { // the child of the longest
			s.Location = []*profile.Location{at}
		}
	}
	var b bytes.Buffer
	if err := find(t, p, Pick{Worst: 2}).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); strings.Contains(text, "goroutine 21, which") || !strings.Contains(text, "goroutine 20, which works for it") {
		t.Errorf("the two longest requests:\n%s", text)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := find(t, serving(), Pick{ID: "r3"}).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"40.00ms at 01:46:40.375000 UTC, goroutine 1: id=r3 trace_id=" + trace + "\ntrace " + trace + "\n",
		"  0.00ms   20.00ms  sync.Mutex.Lock  main.lock\n", "  20.00ms  20.00ms  chan receive     main.await\n",
		"  goroutine 5, which works for it:\n", "1 of 20 whole requests"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s\nwithout %q", b.String(), want)
		}
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := find(t, serving(), Pick{Worst: 2}).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got []Request
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Length != 200e6 || got[0].Labels["id"] != "r19" || got[0].Span.Trace != trace ||
		len(got[0].Moments) != 3 || got[0].Moments[0].Stack[3] != "net/http.(*conn).serve" {
		t.Errorf("%+v", got)
	}
}

func FuzzRequests(f *testing.F) {
	hostile.Fuzz(f, func(t *testing.T, p *profile.Profile) {
		tl, err := timeline.Read(p, slices.Values(p.Sample))
		if err != nil {
			return
		}
		found, err := In(tl, Pick{Request: timeline.Selector{By: timeline.Label, Name: "request"}, Worst: 50})
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := found.WriteText(&b); err != nil || strings.Contains(b.String(), "\x1b") {
			t.Fatalf("%v: %.200q", err, b.String())
		}
		before := total(p)
		if found.Keep(p); total(p) > before {
			t.Fatalf("%g ns are left of %g", total(p), before)
		}
	})
}

func total(p *profile.Profile) (sum float64) {
	for _, s := range p.Sample {
		for _, v := range s.Value {
			sum += math.Abs(float64(v))
		}
	}
	return sum
}
