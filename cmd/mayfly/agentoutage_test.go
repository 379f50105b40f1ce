package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/push"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// outage is an agent whose server refuses all that it is sent until it is back.
type outage struct {
	*agent
	t       *testing.T
	stderr  bytes.Buffer
	mu      sync.Mutex
	back    bool
	refused int
	arrived []string // when the profiles began, in seconds and milliseconds
}

func newOutage(t *testing.T, limit string) *outage {
	t.Helper()
	x := &outage{t: t}
	server := httptest.NewServer(http.HandlerFunc(x.answer))
	t.Cleanup(server.Close)
	u, err := push.OTLP.Endpoint(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := &agentFlags{servers: []*pushFlags{{server: &push.Server{Protocol: push.OTLP, URL: u, Timeout: time.Minute}}}}
	if err := f.queue.Set(limit); err != nil {
		t.Fatal(err)
	}
	e := &env{stderr: &x.stderr, getenv: func(string) string { return "" }}
	x.agent = newAgent(e, f, &store{dir: filepath.Join(t.TempDir(), "out")})
	x.agent.fleet.Store(newFleet(e, fleetOptions{}, nil))
	return x
}

// profileNames are what the slices of this test call themselves.
var profileNames = regexp.MustCompile(`slice-number-(\d+)-`)

func (x *outage) answer(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	z, err := gzip.NewReader(r.Body)
	if err == nil {
		_, err = body.ReadFrom(z)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.back {
		x.refused++
		w.Header().Set("Retry-After", "3600") // more than there is time for
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	name := profileNames.FindStringSubmatch(body.String())
	if err != nil || name == nil {
		x.t.Errorf("%v: not a profile of this test: %q", err, body.String())
		return
	}
	x.arrived = append(x.arrived, name[1])
}

// slice is a profile of a process as large as one of an idle server is.
func (x *outage) slice(n int) *event {
	f := &profile.Function{ID: 1, Name: fmt.Sprintf("slice-number-%d-", n)}
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}, Function: []*profile.Function{f},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1e7, TimeNanos: int64(1e18) + int64(n)*1e6,
		DurationNanos: 15e9}
	for i := range 100 {
		l := &profile.Location{ID: uint64(i + 1), Address: uint64(i), Line: []profile.Line{{Function: f, Line: int64(i)}}}
		p.Location = append(p.Location, l)
		p.Sample = append(p.Sample, &profile.Sample{Location: []*profile.Location{l}, Value: []int64{int64(n + i)}})
	}
	return &event{pid: 7, rec: &profiler.Recording{Profile: p}}
}

// inUse is how much memory is in use.
func inUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// number is a metric of the agent.
func (x *outage) number(name string) int {
	x.t.Helper()
	w := httptest.NewRecorder()
	x.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	_, rest, _ := strings.Cut(w.Body.String(), "\nmayfly_agent_"+name+" ")
	text, _, _ := strings.Cut(rest, "\n")
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		x.t.Fatalf("%s: %v\n%s", name, err, w.Body.String())
	}
	return int(v)
}

// Ten minutes without a Collector, with the slices that five processes have in them and a try each minute: what is within the queue's bound
// arrives when it is back, in order and each once, what is beyond is counted, and none of it is in memory meanwhile.
func TestAgentOutage(t *testing.T) {
	const minutes, each = 10, 5 * 4
	for limit, kept := range map[string]int{"64MiB": minutes * each, "30": 30} {
		t.Run(limit, func(t *testing.T) {
			x := newOutage(t, limit)
			q := x.queues[0]
			var want []string
			memory, put := 0, time.Duration(0)
			for minute := range minutes {
				for n := minute * each; n < (minute+1)*each; n++ {
					ev, begin := x.slice(n), time.Now()
					x.take(ev)
					put = time.Since(begin)
					want = append(want, strconv.Itoa(n))
				}
				q.drain(t.Context(), "")
				if now := inUse(); minute == 0 {
					memory = now
				} else if now > memory+256<<10 {
					t.Errorf("minute %d: %d KiB are in use, %d were after the first one", minute+1, now>>10, memory>>10)
				}
			}
			t.Logf("%d KiB in use after the first minute, %d after the last; %v for the last slice", memory>>10, inUse()>>10, put)
			lost := minutes*each - kept
			if n, w := x.number(`dropped_profiles_total{server="otlp"}`), x.number(`queued_profiles{server="otlp"}`); n != lost || w != kept {
				t.Errorf("%d dropped, want %d; %d wait, want %d", n, lost, w, kept)
			}
			if n := x.number(`send_errors_total{server="otlp"}`); n != minutes || x.refused != minutes || x.ready() == "" {
				t.Errorf("%d errors are counted, %d requests were refused, ready: %q", n, x.refused, x.ready())
			}
			x.back = true
			q.drain(t.Context(), "")
			if !slices.Equal(x.arrived, want[lost:]) {
				t.Errorf("%d have arrived, want %d: %q", len(x.arrived), kept, x.arrived)
			}
			if sent, w := x.number(`sent_requests_total{server="otlp"}`), x.number(`queued_profiles{server="otlp"}`); sent != kept || w != 0 ||
				x.number("profiles_total") != minutes*each || x.number("unkept_profiles_total") != 0 || x.ready() != "" {
				t.Errorf("%d sent, %d wait: %s", sent, w, x.stderr.String())
			}
		})
	}
}
