package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// TestCauses holds reports against scenarios whose cause is known because it was written down.
func TestCauses(t *testing.T) {
	tests := []struct {
		name     string
		build    func(*scenario)
		kind     timeline.Kind
		function string
	}{
		{"a lock held over a call", func(s *scenario) {
			for i := range int64(40) { // one after the other, 20 ms each
				wait := 20 * float64(i)
				s.goroutine(i+1, 100, fmt.Sprint("request=s", i)).in("sync.Mutex.Lock", wait+0.5, locked).in("IO wait", 20, call).
					in("running", 1, "main.price"+serve)
			}
		}, timeline.Lock, "main.book"},
		{"a pool that is too small", func(s *scenario) {
			for i := range int64(60) {
				s.goroutine(i+1, 100, fmt.Sprint("request=s", i)).in("select", 15*float64(i)+0.5, dbWait).in("IO wait", 15, dbCall)
			}
		}, timeline.Pool, "main.load"},
		{"a slow statement that has the pool", func(s *scenario) {
			report := strings.ReplaceAll(strings.ReplaceAll(dbCall, "main.load:30", "main.yearEnd:50"), serve, "")
			s.goroutine(500, 100).in("IO wait", 900, report)
			for i := range int64(60) {
				s.goroutine(i+1, 101+float64(i), fmt.Sprint("request=s", i)).in("select", 899-float64(i)+5*float64(i), dbWait).in("IO wait", 5, dbCall)
			}
		}, timeline.Network, "main.yearEnd"},
		{"a pool held by those who wait for a lock", func(s *scenario) {
			held := strings.Replace(locked, serve, " main.load:31"+serve, 1)
			asks := strings.Replace(call, serve, " main.load:31"+serve, 1)
			for i := range int64(40) {
				s.goroutine(i+1, 100, fmt.Sprint("request=s", i)).in("select", 10*float64(i)+0.5, dbWait).
					in("sync.Mutex.Lock", 10*float64(i)+0.5, held).in("IO wait", 20, asks)
			}
		}, timeline.Lock, "main.book"},
		{"a hand-off that serialises", func(s *scenario) {
			g := s.goroutine(500, 0).in("chan receive", 100, "runtime.gopark runtime.chanrecv main.pack")
			for range 50 {
				g.in("sleep", 14, "runtime.gopark time.Sleep main.pack")
			}
			g.in("chan receive", 5000, "runtime.gopark runtime.chanrecv main.pack")
			for i := range int64(50) {
				s.goroutine(i+1, 100, fmt.Sprint("request=s", i)).in("chan receive", 14*float64(i+1),
					"runtime.gopark runtime.chanrecv main.handOver"+serve).in("running", 1, "main.price"+serve)
			}
		}, timeline.Channel, "main.pack"},
		{"CPU in short goroutines", func(s *scenario) {
			for i := range int64(20) {
				at := 100 + 300*float64(i)
				g := s.goroutine(i+1, at, fmt.Sprint("request=s", i))
				g.in("sync.WaitGroup.Wait", 200, "runtime.gopark sync.(*WaitGroup).Wait main.plan"+serve).in("running", 1, "main.price"+serve)
				for k := range int64(100) {
					kid := s.goroutine(1000+100*i+k, at, fmt.Sprint("request=s", i))
					kid.parent = i + 1
					kid.in("runnable", 4*float64(k/2)+0.1, "main.route").in("running", 4, "main.route")
				}
			}
		}, timeline.CPU, "main.route"},
		{"a disk", func(s *scenario) {
			for i := range int64(40) {
				s.goroutine(i+1, 100+30*float64(i), fmt.Sprint("request=s", i)).
					in("syscall", 250, "syscall.Syscall syscall.Fsync internal/poll.(*FD).Fsync os.(*File).Sync main.journal"+serve)
			}
		}, timeline.Syscall, "main.journal"},
		{"a neighbour", func(s *scenario) {
			for i := range int64(40) {
				s.goroutine(i+1, 100+30*float64(i), fmt.Sprint("request=s", i)).in("preempted", 250, "main.price"+serve).
					in("running", 2, "main.price"+serve)
			}
		}, timeline.OSScheduler, ""},
		{"a quota", func(s *scenario) {
			for i := range int64(40) {
				at := 100 + 150*float64(i)
				g := s.goroutine(i+1, at, fmt.Sprint("request=s", i)).in("runnable", 80, "main.price"+serve)
				g.in("throttled", 50, "main.price"+serve).in("running", 10, "main.price"+serve)
				g = s.goroutine(1000+i, at).in("running", 5, "main.compress")
				g.in("throttled", 75, "main.compress").in("running", 60, "main.compress")
			}
		}, timeline.Quota, "main.compress"},
		{"assists", func(s *scenario) {
			for i := range int64(40) {
				s.goroutine(i+1, 100+30*float64(i), fmt.Sprint("request=s", i)).
					in("running", 20, "runtime.gcDrainN runtime.gcAssistAlloc runtime.mallocgc main.copy"+serve).
					in("GC assist wait", 200, "runtime.gopark runtime.gcAssistAlloc runtime.mallocgc main.copy"+serve)
			}
		}, timeline.GC, "main.copy"},
		{"sleep", func(s *scenario) {
			for i := range int64(40) {
				s.goroutine(i+1, 100+30*float64(i), fmt.Sprint("request=s", i)).in("sleep", 250, "runtime.gopark time.Sleep main.retry"+serve)
			}
		}, timeline.Timer, "main.retry"},
	}
	for _, tt := range tests {
		for _, request := range []string{"label:request", "func:net/http.serverHandler.ServeHTTP"} {
			t.Run(tt.name+" by "+request, func(t *testing.T) {
				s := newScenario(8 * time.Second)
				tt.build(s)
				s.quick(10_000, 300)
				r := s.report(t, "p99<100ms", request)
				if r.Verdict != Broken || r.Cause == nil {
					t.Fatalf("verdict %s (%s), %d of %d slow", r.Verdict, r.Why, r.Slow, r.Requests)
				}
				c := r.Cause
				if c.Kind != tt.kind || c.Function != tt.function || c.Share < 0.45 || c.Confidence < 0.7 || c.Evidence == timeline.ByTime &&
					c.Confidence > guessed {
					t.Errorf("cause %s in %q, share %.2f, confidence %.2f; want %s in %q\n%s\n%s", c.Kind, c.Function, c.Share, c.Confidence, tt.kind,
						tt.function, c.Sentence, strings.Join(c.Chain, "\n"))
				}
				addUp(t, r)
			})
		}
	}
}

// addUp holds the states of slow requests against how long they took, which the verdict knows apart.
func addUp(t *testing.T, r *Report) {
	t.Helper()
	sum := total(r.States.Slow)
	if u := r.States.Slow[timeline.Unknown]; float64(u) > 0.03*float64(sum) {
		t.Errorf("%.1f %% of the slow requests' time is unknown", 100*float64(u)/float64(sum))
	}
	if off := float64(sum)/float64(r.SlowMean) - 1; math.Abs(off) > 0.02 {
		t.Errorf("states of slow requests add up to %+.1f %% of their length", 100*off)
	}
}

// TestKidsByParent has children without labels.
// TestOwnAnswer has slow requests wait for an answer that no handler is seen to give: where the process accepts connections at the
// peer's address it may be one of its own, and what that one waits for the cause.
func TestOwnAnswer(t *testing.T) {
	for _, tt := range []struct {
		listens, peer string
		own           bool
	}{
		{"127.0.0.1:8080", "127.0.0.1:8080", true},
		{"[::]:8080", "127.0.0.1:8080", true},
		{"0.0.0.0:8080", "[::1]:8080", true},
		{"10.0.0.1:8080", "10.0.0.1:8080", true},
		{"[::]:8080", "10.0.0.7:8080", false},
		{"127.0.0.1:8080", "127.0.0.1:9090", false},
		{"[::]:8080", "client 127.0.0.1", false},
	} {
		s := newScenario(10 * time.Second)
		s.goroutine(900, 0, "go.peer=accept "+tt.listens).in("IO wait", 9000,
			"runtime.gopark internal/poll.(*FD).Accept net.(*netFD).accept main.main")
		s.quick(1000, 500)
		for i := range int64(40) {
			s.goroutine(i+1, 100+100*float64(i), fmt.Sprint("request=s", i), "go.peer="+tt.peer).in("IO wait", 300, call)
		}
		c := s.report(t, "p99<100ms", "label:request").Cause
		if c == nil || c.Kind != timeline.Network || c.Peer != tt.peer {
			t.Fatalf("%+v: cause %+v", tt, c)
		}
		if own := c.Confidence <= inside; own != tt.own {
			t.Errorf("%+v: confidence %.2f", tt, c.Confidence)
		}
	}
}

func TestKidsByParent(t *testing.T) {
	s := newScenario(8 * time.Second)
	for i := range int64(20) {
		at := 100 + 300*float64(i)
		s.goroutine(i+1, at).in("chan receive", 200, "runtime.gopark runtime.chanrecv main.plan"+serve).in("running", 1, "main.price"+serve)
		kid := s.goroutine(1000+i, at)
		kid.parent = i + 1
		kid.in("runnable", 0.2, "main.route").in("sync.Mutex.Lock", 199.5, "runtime.gopark sync.(*Mutex).Lock main.route")
		s.goroutine(2000+i, at-1).in("sleep", 202, "runtime.gopark time.Sleep main.route main.refresh")
	}
	s.quick(10_000, 300)
	r := s.report(t, "p99<100ms", "")
	if r.Cause == nil || r.Cause.Kind != timeline.Lock || r.Cause.Function != "main.route" {
		t.Errorf("cause %+v, want the lock that the children wait for", r.Cause)
	}
}

// TestKeptConnection has requests that follow each other on one goroutine.
func TestKeptConnection(t *testing.T) {
	s := newScenario(8 * time.Second)
	g := s.goroutine(1, 50)
	g.in("IO wait", 20, idle)
	for i := range 100 {
		g.labels = []string{fmt.Sprint("request=", i), "step=one"}
		g.in("running", 3, "main.price"+serve).in("IO wait", 4, dbCall)
		g.labels[1] = "step=two"
		g.in("IO wait", 3, dbCall)
		if g.labels = nil; i%2 == 0 {
			g.in("IO wait", 5, idle)
		}
	}
	g.in("IO wait", 20, idle)
	for _, request := range []string{"label:request", ""} {
		if r := s.report(t, "p99<100ms", request); r.Requests != 100 || r.P99 < 9e6 || r.P99 > 12e6 {
			t.Errorf("%q: %d requests, p99 %v; want 100 of 10 ms", request, r.Requests, time.Duration(r.P99))
		}
	}
	if r := s.report(t, "p99<100ms", "goroutine:net/http.(*conn).serve"); r.Requests != 1 || r.Verdict != Undecided {
		t.Errorf("goroutine: %d requests, %s", r.Requests, r.Verdict)
	}
}

// TestStolenPoint has a point of stolen time, with the labels of the request that runs, within the long
// wait before the request: the wait's end is known to a scan only. The wait is none of the request's.
func TestStolenPoint(t *testing.T) {
	s := newScenario(8 * time.Second)
	s.quick(1000, 300)
	g := s.goroutine(1, 100)
	g.in("IO wait", 1000, idle)
	g.labels = []string{"request=r"}
	g.at = 1099.4
	g.in("preempted", 0.01, "main.price"+serve)
	g.at = 1100
	g.in("running", 20, "main.price"+serve)
	g.labels = nil
	g.in("IO wait", 10, idle)
	r := s.report(t, "p99.9<10ms", "label:request")
	if r.Slow != 1 || r.Value < 19e6 || r.Value > 21e6 {
		t.Errorf("%d slow, the longest takes %s, want one of 20ms", r.Slow, time.Duration(r.Value))
	}
}

// TestLastScan has a recorder whose last scan was long before its end: what was under way then is cut.
func TestLastScan(t *testing.T) {
	s := newScenario(8 * time.Second)
	s.p.DurationNanos += 4e9
	s.quick(1000, 300)
	for i := range int64(5) {
		g := s.goroutine(i+1, 100)
		g.in("IO wait", 7000, idle)
		g.labels = []string{fmt.Sprint("request=r", i)}
		g.in("IO wait", 900, dbCall)
	}
	if r := s.report(t, "p99<100ms", "label:request"); r.Requests != 294 || r.Unfinished != 11 || r.Slow != 0 {
		t.Errorf("%d requests, %d slow, %d unfinished; want 294, 0, and 11: six begin with the recording", r.Requests, r.Slow, r.Unfinished)
	}
}

func TestTooFew(t *testing.T) {
	s := newScenario(8 * time.Second)
	for i := range int64(12) {
		s.goroutine(i+1, 100+30*float64(i), fmt.Sprint("request=s", i)).in("sleep", 250, "runtime.gopark time.Sleep main.retry"+serve)
	}
	r := s.report(t, "p99<100ms", "label:request")
	if r.Verdict != Undecided || r.Cause != nil || !strings.Contains(r.Why, "12 requests are too few") || !strings.Contains(r.Why, "299") {
		t.Errorf("12 requests: %s, %q, %v", r.Verdict, r.Why, r.Cause)
	}
}

// TestMet names no cause, however odd the fast requests are.
func TestMet(t *testing.T) {
	s := newScenario(8 * time.Second)
	s.quick(1, 400)
	s.goroutine(999, 100, "request=odd").in("sleep", 250, "runtime.gopark time.Sleep main.retry"+serve)
	r := s.report(t, "p99<100ms", "label:request")
	if r.Verdict != Undecided && r.Verdict != Met || r.Cause != nil || len(r.RuledOut)+len(r.Labels) > 0 {
		t.Errorf("%s, cause %v", r.Verdict, r.Cause)
	}
	var b bytes.Buffer
	if err := Formats().Write(&b, "json", []*Report{r}); err != nil || !strings.Contains(b.String(), `"cause": null`) {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestLabels(t *testing.T) {
	s := newScenario(8 * time.Second)
	for i := range int64(40) {
		s.goroutine(i+1, 100+30*float64(i), fmt.Sprint("request=s", i), "tenant=initech", "zone=a").
			in("sleep", 250, "runtime.gopark time.Sleep main.retry"+serve)
	}
	for i := range int64(300) {
		s.goroutine(100+i, 100+20*float64(i), fmt.Sprint("request=f", i), "tenant=acme", "zone=a").
			in("sleep", 25, "runtime.gopark time.Sleep main.retry"+serve)
	}
	r := s.report(t, "p99<100ms", "label:request")
	if len(r.Labels) != 1 || r.Labels[0].Value != "initech" || r.Labels[0].Slow != 1 || r.Labels[0].Fast != 0 || r.Labels[0].P > 1e-9 {
		t.Errorf("labels %+v, want tenant=initech alone", r.Labels)
	}
}

func TestNoTimeline(t *testing.T) {
	slo, _ := ParseSLO("p99<1s")
	for name, p := range map[string]*profile.Profile{
		"CPU only": {SampleType: []*profile.ValueType{{Type: "samples"}, {Type: "cpu"}}},
		"no times": {SampleType: []*profile.ValueType{{Type: "samples"}, {Type: "wall"}}, Sample: []*profile.Sample{{Value: []int64{0, 5}}}},
		"of yore":  {},
		"few columns": {SampleType: []*profile.ValueType{{Type: "samples"}, {Type: "wall"}},
			Sample: []*profile.Sample{{Value: []int64{1}, NumLabel: map[string][]int64{"go.id": {1}, "end_timestamp_ns": {9}}}}},
	} {
		_, err := New(p, Options{SLO: slo})
		if !errors.Is(err, timeline.ErrNoTimeline) || !strings.Contains(err.Error(), "mayfly record --timeline") ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newScenario(time.Second)
	s.goroutine(1, 10).in("sleep", 5, "main.main")
	for _, sel := range []string{"", "label:x", "func:main.f", "goroutine:main.f"} {
		request, _ := timeline.ParseSelector(sel)
		if _, err := New(s.profile(t), Options{SLO: slo, Request: request}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want no request", sel, err)
		}
		s = newScenario(time.Second)
		s.goroutine(1, 10).in("sleep", 5, "main.main")
	}
}

// TestJSON has the keys that scripts rely on.
func TestJSON(t *testing.T) {
	s := newScenario(8 * time.Second)
	for i := range int64(40) {
		s.goroutine(i+1, 100+30*float64(i), fmt.Sprint("request=s", i)).in("sleep", 250, "runtime.gopark time.Sleep main.retry"+serve)
	}
	s.quick(1000, 300)
	var b bytes.Buffer
	if err := Formats().Write(&b, "json", []*Report{s.report(t, "p99<100ms", "label:request")}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"verdict", "slo", "group", "requests", "slow", "p99_ns", "cause", "states", "ruled_out", "labels"} {
		if _, ok := got[k]; !ok {
			t.Errorf("no %q", k)
		}
	}
	cause, _ := got["cause"].(map[string]any)
	for _, k := range []string{"kind", "function", "file", "line", "peer", "share", "confidence", "chain", "sentence"} {
		if _, ok := cause[k]; !ok {
			t.Errorf("cause: no %q", k)
		}
	}
}

// call adds a recorded call, in ms since the window began.
func (s *scenario) call(id int64, fn string, from, to float64) {
	s.p.Sample = append(s.p.Sample, &profile.Sample{
		Value: make([]int64, len(s.p.SampleType)), Location: []*profile.Location{s.location(fn)},
		NumLabel: map[string][]int64{"go.id": {id}, "end_timestamp_ns": {began + int64(to*1e6)}, "go.call_ns": {int64((to - from) * 1e6)}},
	})
}

// TestExactCalls has requests whose begin and end are recorded: they are taken as they are, also where
// scans saw nothing of them or would draw the border elsewhere.
func TestExactCalls(t *testing.T) {
	s := newScenario(8 * time.Second)
	for i := range int64(100) {
		at := 100 + 70*float64(i)
		g := s.goroutine(i+1, at).in("IO wait", 5, idle).in("sync.Mutex.Lock", 40, locked).in("running", 1, "main.price"+serve)
		s.call(i+1, "main.handle", at+5.25, g.at-0.5)
	}
	s.call(9000, "main.handle", 200, 200.1) // no scan saw it
	s.call(1, "main.other", 100, 900)       // another function
	s.call(9001, "main.handle", -5, 10)     // began before the window
	// By looks a request; none was recorded.
	s.goroutine(9002, 300).in("sync.Mutex.Lock", 900, strings.Replace(locked, "main.handle", "main.handle:11", 1))
	r := s.report(t, "p99<30ms", "func:main.handle")
	if want := int64(40.25e6); r.Requests != 101 || r.Unfinished != 1 || r.P99 != want || r.Short != 0 {
		t.Errorf("%d requests, %d unfinished, p99 %d, %d short; want 101, 1, %d, 0", r.Requests, r.Unfinished, r.P99, r.Short, want)
	}
	addUp(t, r)
}
