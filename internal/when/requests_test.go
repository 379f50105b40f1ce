package when

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

const (
	conn   = " net/http.(*conn).serve runtime.goexit"
	serve  = " main.handle net/http.serverHandler.ServeHTTP" + conn
	idle   = "runtime.gopark internal/poll.(*FD).Read net.(*conn).Read net/http.(*connReader).Read" + conn
	lock   = "runtime.gopark sync.(*Mutex).Lock main.book" + serve
	burn   = "main.price" + serve
	client = "runtime.gopark internal/poll.(*FD).Read net.(*conn).Read main.chat" + serve
)

// scan is one interval of a goroutine that serves, in ms of a recording. The state says the kind; "client" is a wait for one.
type scan struct {
	id       int64
	from, to int64
	state    string
	stack    string // functions, leaf first
	labels   string
}

// served makes the timeline of a second.
func served(second int64, all ...scan) *profile.Profile {
	p := slice(second)
	ids := map[string]*profile.Location{}
	for _, x := range all {
		one := slice(second, at{x.id, x.from, x.to, x.labels}).Sample[0]
		for name := range strings.FieldsSeq(x.stack) {
			if ids[name] == nil {
				f := &profile.Function{ID: uint64(len(ids) + 1), Name: name}
				ids[name] = &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
			}
			one.Location = append(one.Location, ids[name])
		}
		state, peer, _ := strings.Cut(x.state, "/")
		one.Label["go.state"] = []string{state}
		if peer != "" {
			one.Label["go.peer"] = []string{peer}
		}
		p.Sample = append(p.Sample, one)
	}
	return p
}

func requestWatch(t *testing.T, text string) *Watch {
	t.Helper()
	o, err := ParseObjective(text)
	if err != nil {
		t.Fatal(err)
	}
	return NewRequestWatch(o.Breach(), time.Minute, timeline.Selector{})
}

// A request lasts while a handler is on the stack, over the borders of slices; a scan without a stack does not end it.
func TestRequests(t *testing.T) {
	w := requestWatch(t, "p50<10s")
	w.Follow(served(0,
		scan{1, 0, 100, "IO wait", idle, ""}, scan{1, 100, 150, "running", burn, ""}, scan{1, 150, 155, "runnable", "[unwalked]", ""},
		scan{1, 155, 300, "sync.Mutex.Lock", lock, ""}, scan{1, 300, 700, "IO wait", idle, ""}, scan{1, 700, 1000, "sync.Mutex.Lock", lock, ""},
		scan{2, 0, 400, "select", "runtime.gopark main.worker runtime.goexit", ""},
	))
	got := w.Follow(served(1, scan{1, 1000, 1250, "sync.Mutex.Lock", lock, ""}, scan{1, 1250, 2000, "IO wait", idle, ""}))
	if ms := latencies(w); !slices.Equal(ms, []int64{200, 550}) || got != (Ended{1, 0}) {
		t.Errorf("latencies %v, ended %+v", ms, got)
	}
	if w.done[0].labels != nil {
		t.Error("a latency that has ended keeps the labels of a sample, and there may be a quarter of a million")
	}
}

// Only requests with the labels of the objective count, also if they get them after their begin.
func TestRequestsWithLabels(t *testing.T) {
	w := requestWatch(t, "p50(endpoint=/a)<10s")
	w.Follow(served(0,
		scan{1, 100, 150, "running", burn, ""}, scan{1, 150, 300, "sync.Mutex.Lock", lock, "endpoint=/a"}, scan{1, 300, 320, "running", burn, ""},
		scan{2, 100, 900, "sync.Mutex.Lock", lock, "endpoint=/b"}, scan{3, 100, 900, "sync.Mutex.Lock", lock, ""},
	))
	w.Follow(served(1))
	if ms := latencies(w); !slices.Equal(ms, []int64{220}) {
		t.Errorf("latencies %v", ms)
	}
}

// Streams, connections that were taken over and profiles have no length of their own: an objective is not about them.
func TestRequestsApart(t *testing.T) {
	w := requestWatch(t, "p50<100ms")
	flush := "net/http.(*response).Flush" + serve
	w.Follow(served(0,
		scan{1, 0, 900, "sleep", "runtime.gopark runtime/trace.sleep net/http/pprof.Trace" + serve, ""},
		scan{2, 0, 900, "IO wait/client 10.0.0.1", client, ""},
		scan{3, 0, 100, "running", flush, ""}, scan{3, 100, 300, "sleep", burn, ""}, scan{3, 300, 310, "running", flush, ""},
		scan{3, 310, 600, "sleep", burn, ""}, scan{3, 600, 610, "running", flush, ""}, scan{3, 610, 900, "sleep", burn, ""},
		scan{4, 0, 900, "chan receive", "runtime.gopark x.recv google.golang.org/grpc.(*Server).processStreamingRPC " +
			"google.golang.org/grpc.(*Server).handleStream", ""},
	))
	if got := w.Follow(served(1)); got != (Ended{}) || len(w.done) != 0 {
		t.Errorf("ended %+v, %d latencies", got, len(w.done))
	}
}

// On a kept connection that is never seen idle the value of a label that tells requests apart is the border.
func TestRequestsByTheirLabels(t *testing.T) {
	w := requestWatch(t, "p50<10s")
	for second := range int64(2) {
		var all []scan
		for i := range int64(10) {
			from := 1000*second + 100*i
			all = append(all, scan{1, from, from + 100, "sync.Mutex.Lock", lock, fmt.Sprintf("request=r%d tenant=t%d", second*10+i, i%2)})
		}
		w.Follow(served(second, all...))
	}
	w.Follow(served(2))
	if ms := latencies(w); len(ms) != 5 || ms[0] != 100 { // from the 17th value on
		t.Errorf("latencies %v", ms)
	}
}

// A route that is known after the first part of a request is none of another request, however many routes there are, and the request is
// one of those of the route that it had longest.
func TestRequestsOfRoutes(t *testing.T) {
	w := requestWatch(t, "p50(endpoint=/1/7)<10s")
	for second := range int64(3) {
		var all []scan
		for i := range int64(20) {
			from := 1000*second + 50*i
			all = append(all, scan{1 + i%2, from, from + 10, "sync.Mutex.Lock", lock, ""},
				scan{1 + i%2, from + 10, from + 20, "sync.Mutex.Lock", lock, fmt.Sprintf("endpoint=/%d", i/5)},
				scan{1 + i%2, from + 20, from + 45, "sync.Mutex.Lock", lock, fmt.Sprintf("endpoint=/%d/%d", i/5, i)},
				scan{1 + i%2, from + 45, from + 50, "IO wait", idle, ""})
		}
		w.Follow(served(second, all...))
	}
	w.Follow(served(3))
	if ms := latencies(w); !slices.Equal(ms, []int64{45, 45, 45}) {
		t.Errorf("latencies %v", ms)
	}
	all := requestWatch(t, "p50<10s")
	for second := range int64(3) {
		var scans []scan
		for i := range int64(20) {
			from := 1000*second + 50*i
			route := i * i % 19 // some more often than others
			scans = append(scans, scan{1, from, from + 20, "sync.Mutex.Lock", lock, fmt.Sprint("route=area of ", route)},
				scan{1, from + 20, from + 45, "sync.Mutex.Lock", lock, fmt.Sprint("route=", route)},
				scan{1, from + 45, from + 50, "IO wait", idle, ""})
		}
		all.Follow(served(second, scans...))
	}
	all.Follow(served(3))
	if ms := latencies(all); len(ms) != 60 || ms[0] != 45 {
		t.Errorf("%d latencies, from %v ms on", len(ms), ms[0])
	}
	area := requestWatch(t, "p50(endpoint=/1)<10s")
	area.Follow(served(0, scan{1, 0, 10, "sync.Mutex.Lock", lock, "endpoint=/1"}, scan{1, 10, 45, "sync.Mutex.Lock", lock, "endpoint=/1/7"}))
	area.Follow(served(1))
	if ms := latencies(area); len(ms) > 0 {
		t.Errorf("latencies %v of a request that is mostly another route's", ms)
	}
}

// What hangs counts as over the bound once, before it ends.
func TestEnded(t *testing.T) {
	w := requestWatch(t, "p50<1.5s")
	for i, want := range []Ended{{}, {1, 1}, {}, {1, 0}} {
		second := int64(i)
		all := []scan{{1, 1000 * second, 1000*second + 1000, "sync.Mutex.Lock", lock, ""}}
		if i == 3 {
			all = []scan{{2, 3000, 3500, "running", burn, ""}, {2, 3500, 4000, "IO wait", idle, ""}}
		}
		if got := w.Follow(served(second, all...)); got != want {
			t.Errorf("second %d: %+v, want %+v", i, got, want)
		}
	}
	if got := w.Lengths(); !slices.Equal(got, []int64{500e6, 3000e6}) {
		t.Errorf("lengths %v", got)
	}
}

// TestRequestsWithoutIdle has two requests on a connection that no scan saw idle: the answer of the first is sent between.
func TestRequestsWithoutIdle(t *testing.T) {
	w := requestWatch(t, "p50<1s")
	got := w.Follow(served(1, scan{1, 100, 400, "sleep", burn, ""},
		scan{1, 400, 405, "syscall", "net/http.(*response).finishRequest" + conn, ""},
		scan{1, 405, 500, "sleep", burn, ""}, scan{1, 500, 1000, "IO wait", idle, ""}))
	if got.All != 2 {
		t.Errorf("%+v: want 2 requests", got)
	}
}

// connection makes the scans of a connection that waits 10 ms for each request, and keeps its labels meanwhile. A part of a request is
// its length and its labels.
func connection(id int64, requests ...[]any) (all []scan) {
	at, labels := int64(0), ""
	add := func(ms int64, state, stack string) {
		all = append(all, scan{id, at, at + ms, state, stack, labels})
		at += ms
	}
	for _, r := range requests {
		add(10, "IO wait", idle)
		for i := 0; i < len(r); i += 2 {
			labels = r[i+1].(string)
			add(int64(r[i].(int)), "sync.Mutex.Lock", lock)
		}
	}
	add(1000-at, "IO wait", idle)
	return all
}

// A handler that sets labels and does not take them off leaves them on its connection: the next request begins with them, and may have
// them for longer than its own. Only what it has at its end is its own.
func TestLabelsLeftOn(t *testing.T) {
	all := connection(1,
		[]any{10, "", 20, "endpoint=/a"},
		[]any{70, "endpoint=/a", 10, "endpoint=/b"},
		[]any{50, "endpoint=/b"},
		[]any{60, "endpoint=/b", 10, "endpoint=/b/step", 5, "endpoint=/b"},
		[]any{90, "endpoint=/b", 10, "endpoint=/a"})
	for objective, want := range map[string][]int64{"p50(endpoint=/a)<10s": {30, 100}, "p50(endpoint=/b)<10s": {50, 75, 80}} {
		w := requestWatch(t, objective)
		w.Follow(served(0, all...))
		w.Follow(served(1))
		if ms := latencies(w); !slices.Equal(ms, want) {
			t.Errorf("%s: latencies %v, want %v", objective, ms, want)
		}
		if len(w.requests.left) > 0 {
			t.Error("labels of a goroutine that has ended are kept")
		}
	}
}

// An id of the request before is not that of another one on the same connection, which gets its own later. Another connection, whose
// requests take theirs off again, says that ids tell requests apart.
func TestIDsLeftOn(t *testing.T) {
	w := requestWatch(t, "p50<10s")
	for second := range int64(3) {
		var all []scan
		for i := range int64(10) {
			from, n := 1000*second+100*i, 10*second+i
			all = append(all, scan{1, from, from + 30, "sync.Mutex.Lock", lock, fmt.Sprintf("request=r%d", n-1)},
				scan{1, from + 30, from + 90, "sync.Mutex.Lock", lock, fmt.Sprintf("request=r%d", n)},
				scan{1, from + 90, from + 100, "IO wait", idle, fmt.Sprintf("request=r%d", n)})
		}
		for i := range int64(40) {
			from := 1000*second + 25*i
			all = append(all, scan{2, from, from + 20, "sync.Mutex.Lock", lock, fmt.Sprintf("request=s%d", 40*second+i)},
				scan{2, from + 20, from + 25, "IO wait", idle, ""})
		}
		w.Follow(served(second, all...))
	}
	w.Follow(served(3))
	if got, want := latencies(w), append(slices.Repeat([]int64{20}, 120), slices.Repeat([]int64{90}, 30)...); !slices.Equal(got, want) {
		t.Errorf("latencies %v, want 120 of 20 ms and 30 of 90 ms", got)
	}
}
