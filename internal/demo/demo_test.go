package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/pprof/profile"
)

// start runs a service and returns its URL, its later output, and what ends it and waits.
func start(t *testing.T, o Options) (url string, out *bufio.Reader, stop func() error) {
	t.Helper()
	r, w := io.Pipe()
	o.Out = w
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, o); w.Close() }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		go io.Copy(io.Discard, r)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	out = bufio.NewReader(r)
	var ready Ready
	readLine(t, out, &ready)
	return ready.URL, out, stop
}

func readLine(t *testing.T, r *bufio.Reader, v any) {
	t.Helper()
	line, err := r.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, v)
	}
	if err != nil {
		t.Fatalf("reading %T: %v (%q)", v, err, line)
	}
}

// TestServeAndDrive runs both sides for two seconds and compares what they say.
func TestServeAndDrive(t *testing.T) {
	url, out, stop := start(t, Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var driven bytes.Buffer
	if err := Drive(ctx, Load{URL: url, Out: &driven}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	var truth Truth
	readLine(t, out, &truth)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var load Driven
	readLine(t, bufio.NewReader(&driven), &load)
	if load.Errors != 0 || load.Requests["/fulfil"].Count == 0 || load.Requests["/status"].Count == 0 {
		t.Errorf("load = %+v, want answers and no errors", load)
	}
	var served int64
	for _, byTenant := range truth.Requests {
		for _, l := range byTenant {
			served += l.Count
		}
	}
	if answered := load.Requests["/fulfil"].Count + load.Requests["/status"].Count; served < answered {
		t.Errorf("the service counts %d requests, the client had %d answers", served, answered)
	}
	if orders := load.Requests["/fulfil"].Count; truth.Lines < orders*minLines {
		t.Errorf("%d lines for %d orders, want at least %d each", truth.Lines, orders, minLines)
	}
	if truth.Beats == 0 || truth.Stocktakes == 0 || truth.GoroutinesCreated < uint64(truth.Lines+truth.Beats) {
		t.Errorf("truth = %d beats, %d stocktakes, %d goroutines created", truth.Beats, truth.Stocktakes, truth.GoroutinesCreated)
	}
	for _, kind := range []string{"price", "seal", "index", "flush"} {
		if w := truth.Work[kind]; w.Calls == 0 || w.Rounds < w.Calls || w.CPUNS <= 0 {
			t.Errorf("work %s = %+v", kind, w)
		}
	}
}

// TestProfile reads the default profile from the service's own mux and finds the labels that
// goroutines inherit.
func TestProfile(t *testing.T) {
	url, _, _ := start(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	driven := make(chan error, 1)
	go func() { driven <- Drive(ctx, Load{URL: url}) }()
	defer func() {
		cancel()
		if err := <-driven; err != nil {
			t.Error(err)
		}
	}()
	resp, err := http.Get(url + "/debug/pprof/profile?seconds=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p, err := profile.Parse(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]bool{}
	for _, s := range p.Sample {
		for k, vs := range s.Label {
			labels[k+"="+strings.Join(vs, ",")] = true
		}
	}
	if !labels["job=reindex"] {
		t.Errorf("labels = %v, want job=reindex among them", labels)
	}
}

// TestParent ends the service by closing the parent's end.
func TestParent(t *testing.T) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), Options{Parent: r}) }()
	w.Close()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the service goes on without its parent")
	}
}

func TestFulfilRefuses(t *testing.T) {
	url, _, _ := start(t, Options{})
	for _, body := range []string{"", "{}", `{"lines":[]}`, `{"lines":[` + strings.Repeat(`{"sku":1},`, maxLines) + `{"sku":1}]}`} {
		resp, err := http.Post(url+"/fulfil", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("fulfil %.20q: %s, want 400", body, resp.Status)
		}
	}
}

func TestServeRefusesAddress(t *testing.T) {
	if err := Serve(context.Background(), Options{Addr: "256.0.0.1:x"}); err == nil {
		t.Error("Serve accepts an address that is none")
	}
}

func TestStore(t *testing.T) {
	s, err := openStore(1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	before, err := s.level(7)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := s.reserve(7, 3); err != nil || left != before-3 {
		t.Errorf("reserve(7, 3) = %d, %v, want %d", left, err, before-3)
	}
	if err := s.count([]uint32{7}, func(uint32) (uint64, error) { return 2, nil }); err != nil {
		t.Fatal(err)
	}
	if left, err := s.reserve(7, 3); err != nil || left != 1999 {
		t.Errorf("reserve(7, 3) of 2 = %d, %v, want 1999 after 2000 more came", left, err)
	}
	if articles, empty, err := s.total(); articles != 100 || empty != 0 || err != nil {
		t.Errorf("total() = %d, %d, %v", articles, empty, err)
	}
}

// TestSeed shows that the load is the same for the same seed.
func TestSeed(t *testing.T) {
	if a, b := sent(t, 5), sent(t, 5); a != b {
		t.Errorf("the same seed sends other requests:\n%s\n%s", a, b)
	}
	if sent(t, 5) == sent(t, 6) {
		t.Error("another seed sends the same requests")
	}
}

// sent records the first orders that a driver sends and when, in a bubble where time is exact.
func sent(t *testing.T, seed uint64) (log string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		began := time.Now()
		d := &driver{client: &http.Client{Transport: roundTrip(func(r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			b.WriteString(time.Since(began).String() + " " + string(body) + "\n")
		})}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d.send(ctx, newRand(seed, 100), 10, &d.orders, d.order)
		d.inFlight.Wait()
		log = b.String()
	})
	return log
}

type roundTrip func(*http.Request)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func TestHistogram(t *testing.T) {
	var h histogram
	for d := time.Duration(1); d < 1<<39; d = d*9/8 + 1 {
		b := bucketOf(d)
		if limit := limitOf(b); int64(max(d, 4)) > limit || b > 8 && int64(d) <= limitOf(b-1) {
			t.Errorf("%d ns is in bucket %d, up to %d, after %d", d, b, limit, limitOf(b-1))
		}
	}
	for range 99 {
		h.add(time.Millisecond)
	}
	h.add(time.Second)
	got := h.snapshot()
	if p50 := got.Quantile(0.5); p50 < 1e6 || p50 > 1.25e6 {
		t.Errorf("p50 = %d, want 1 ms to 1.25 ms", p50)
	}
	if p := got.Quantile(1); p < 1e9 || p > 1.25e9 {
		t.Errorf("p100 = %d, want 1 s to 1.25 s", p)
	}
	if (Histogram{}).Quantile(0.5) != 0 {
		t.Error("the median of nothing is not 0")
	}
}
