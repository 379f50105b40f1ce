package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/push"
	timelines "github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// queueTest is a queue, and a server that answers as the test says: its services are the numbers of the recordings.
type queueTest struct {
	*backlog
	t       *testing.T
	stderr  bytes.Buffer
	mu      sync.Mutex
	codes   map[string]int // by service, "" is any other
	arrived []string
	stored  bool // each was in the queue while it was asked for
}

func newQueueTest(t *testing.T, limit string) *queueTest {
	t.Helper()
	x := &queueTest{t: t, codes: make(map[string]int), stored: true}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.mu.Lock()
		defer x.mu.Unlock()
		name := r.URL.Query().Get("name")
		code := cmp.Or(x.codes[name], x.codes[""])
		if code != 0 {
			w.Header().Set("Retry-After", "3600") // more than there is time for
			w.WriteHeader(code)
			return
		}
		x.arrived = append(x.arrived, name)
		x.stored = x.stored && slices.ContainsFunc(x.names(), func(s string) bool { return strings.HasSuffix(s, "-"+name+".0000.push") })
	}))
	t.Cleanup(server.Close)
	u, err := push.Pyroscope.Endpoint(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := &watchFlags{push: pushFlags{server: &push.Server{Protocol: push.Pyroscope, URL: u, Timeout: time.Minute}}}
	if err := f.queue.Set(limit); err != nil {
		t.Fatal(err)
	}
	e := &env{stderr: &x.stderr, getenv: func(string) string { return "" }}
	x.backlog = newBacklog(e, f, &store{dir: filepath.Join(t.TempDir(), "out")})
	return x
}

// answer has the server answer a service with a code, 0 is that of success.
func (x *queueTest) answer(service string, code int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.codes[service] = code
}

// again is a watch after x, with the same folder.
func (x *queueTest) again() {
	x.backlog = &backlog{env: x.env, dir: x.dir, limit: x.limit, server: x.server, skip: make(map[string]bool), command: "watch",
		fresh: make(chan struct{}, 1)}
}

// running is a watch that sends what is left. What is returned lets so many ticks pass, and ends it.
func (x *queueTest) running() (stop func(ticks int)) {
	ctx, cancel := context.WithCancel(x.t.Context())
	tick, done := make(chan time.Time), make(chan bool)
	go func() {
		x.run(ctx, tick)
		close(done)
	}()
	return func(ticks int) {
		for range ticks + 1 {
			tick <- time.Time{} // it is behind all that the one before has brought about, and the first behind the start
		}
		x.sending.Lock() // no request is left behind, which the server could answer later
		cancel()
		x.sending.Unlock()
		<-done
	}
}

// breach has a recording sent, of the n-th second.
func (x *queueTest) breach(n int) {
	x.t.Helper()
	x.written(n)
	if name := x.takeLatest(); name != "" {
		x.drain(x.t.Context(), name)
	}
}

// written leaves it to who sends beside.
func (x *queueTest) written(n int) {
	x.t.Helper()
	encoded, err := x.server.Encode(timelines.New(3, "request"), fmt.Sprint(n))
	if err != nil {
		x.t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, n, 0, time.UTC)
	stem := (&store{}).stem(at, n)
	x.send(x.t.Context(), outgoingOf(stem+".pb.gz", encoded), stem)
}

func (x *queueTest) breaches(from, to int) {
	x.t.Helper()
	for n := from; n <= to; n++ {
		x.breach(n)
	}
}

// names are those of the files in the queue.
func (x *queueTest) names() (names []string) {
	entries, err := os.ReadDir(x.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		x.t.Error(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (x *queueTest) said(want string, times int) {
	x.t.Helper()
	if got := strings.Count(x.stderr.String(), want); got != times {
		x.t.Errorf("%q is said %d times, want %d:\n%s", want, got, times, x.stderr.String())
	}
}

func (x *queueTest) got(want ...string) {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if !slices.Equal(x.arrived, want) {
		x.t.Errorf("%q arrived, want %q\n%s", x.arrived, want, x.stderr.String())
	}
}

// What a server that is away does not take arrives in order when it is back, at the next tick, and the queue is empty then.
func TestQueue(t *testing.T) {
	x := newQueueTest(t, "64MiB")
	x.breach(1)
	x.answer("", 503)
	x.breaches(2, 4)
	x.got("1")
	x.said("; it waits in "+x.dir, 3)
	if len(x.names()) != 3 {
		t.Fatalf("%q", x.names())
	}
	for path, want := range map[string]fs.FileMode{x.dir: 0o700, filepath.Join(x.dir, x.names()[0]): 0o600} {
		if st, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != want {
			t.Errorf("%v, %v", st.Mode(), err)
		}
	}
	x.running()(2)
	x.got("1")
	x.said("what is in", 0) // but when it was new
	stop := x.running()
	x.answer("", 0)
	stop(1)
	x.got("1", "2", "3", "4")
	x.breach(5)
	x.got("1", "2", "3", "4", "5")
	if len(x.names()) != 0 || !x.stored {
		t.Errorf("%q; in the queue until it had arrived: %v", x.names(), x.stored)
	}
	x.end()
	x.said("dropped", 0)
}

// A server that does not answer keeps no recording from being written. What is new meanwhile is sent behind it, at the end of the watch if
// not before. (Where a recording waits to be sent this test does not end.)
func TestQueueDoesNotWait(t *testing.T) {
	x := newQueueTest(t, "64MiB")
	asked, silent := make(chan bool), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("name")
		if name == "1" {
			asked <- true
			<-silent
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		x.arrived = append(x.arrived, name)
	}))
	defer server.Close()
	var err error
	if x.server.URL, err = push.Pyroscope.Endpoint(server.URL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := x.start(ctx)
	x.written(1)
	<-asked
	x.written(2)
	x.written(3)
	if len(x.names()) != 3 {
		t.Errorf("%q", x.names())
	}
	cancel()
	close(silent)
	stop()
	x.got("1", "2", "3")
}

// The next breach takes along what waits, and the next watch what was left by one before.
func TestQueueIsLeft(t *testing.T) {
	x := newQueueTest(t, "64MiB")
	x.answer("", 503)
	x.breaches(1, 2)
	x.end()
	x.said("2 recordings, ", 1)
	x.said("the next watch with this folder sends them", 1)
	x.again()
	x.breach(3)
	x.answer("", 0)
	x.breach(4)
	x.got("1", "2", "3", "4")
	x.answer("", 401) // another token may do
	x.breach(5)
	x.answer("", 0)
	x.again()
	stop := x.running()
	stop(0)
	x.got("1", "2", "3", "4", "5")
}

// Beyond the limit the oldest go, and that is counted.
func TestQueueLimit(t *testing.T) {
	x := newQueueTest(t, "2")
	x.answer("", 503)
	x.breaches(1, 5)
	x.said("3 recordings, ", 1)
	x.said(" were dropped so far: the oldest, as --queue-limit is 2", 3)
	x.answer("", 0)
	x.drain(t.Context(), "")
	x.got("4", "5")
	x.end()
	x.said(", were dropped\n", 1)

	x = newQueueTest(t, "1MiB")
	x.answer("", 503)
	x.breach(1)
	if err := os.Truncate(filepath.Join(x.dir, x.names()[0]), 1<<20); err != nil {
		t.Fatal(err)
	}
	x.again() // or it knows how large it was
	x.breach(2)
	if x.dropped != (waiting{1, 1 << 20}) || len(x.names()) != 1 {
		t.Errorf("%v, %q", x.dropped, x.names())
	}
}

// Without a queue, or with one that is too small for it, a recording is sent at once or not at all.
func TestNoQueue(t *testing.T) {
	for _, limit := range []string{"0", "1MiB"} {
		x := newQueueTest(t, limit)
		x.limit.bytes = min(x.limit.bytes, 1000)
		x.start(t.Context())()
		x.breach(1)
		x.answer("", 503)
		x.breach(2)
		x.answer("", 0)
		x.breach(3)
		if !slices.Equal(x.arrived, []string{"1", "3"}) || limit != "0" && x.dropped.recordings != 1 {
			t.Errorf("%s: %q arrived, dropped: %v\n%s", limit, x.arrived, x.dropped, x.stderr.String())
		}
		if _, err := os.Stat(x.dir); limit == "0" && err == nil {
			t.Error("there is a folder")
		}
	}
}

// What is no recording of ours keeps nobody waiting: it is set aside or left alone, and said once.
func TestQueueIsDamaged(t *testing.T) {
	x := newQueueTest(t, "64MiB")
	x.answer("", 503)
	x.breaches(1, 5)
	names := x.names()
	path := func(name string) string { return filepath.Join(x.dir, name) }
	if err := os.Truncate(path(names[0]), 100); err != nil {
		t.Fatal(err)
	}
	other := &push.Server{Protocol: push.OTLP}
	encoded, err := other.Encode(timelines.New(1, "k"), "")
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := other.Keep(&file, encoded); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path(names[1]), file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path(queueName("breach-20250101T000000.000Z-1", 0)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("notes.push"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x.answer("", 0)
	x.answer("3", 400)
	for range 3 {
		x.drain(t.Context(), "")
	}
	x.got("4", "5")
	x.said("is damaged", 1)
	x.said("is for a server of another protocol", 1)
	x.said("belongs to somebody else, or is no file", 1)
	x.said("400 Bad Request, asks for a pause of 1h0m0s; it is set aside", 1)
	want := []string{"breach-20250101T000000.000Z-1.0000.push", names[0] + asideSuffix, names[1], names[2] + asideSuffix, "notes.push"}
	if !slices.Equal(x.names(), want) {
		t.Errorf("%q, want %q", x.names(), want)
	}
	x.limit = queueLimit{diskLimit: diskLimit{breaches: 1}}
	x.breach(6)
	x.got("4", "5", "6")
	if x.dropped.recordings != 1 { // the one for another protocol; the others were said
		t.Errorf("%v", x.dropped)
	}
}

// Of a recording that is several requests those that have arrived are not sent again.
func TestQueueOfRequests(t *testing.T) {
	x := newQueueTest(t, "64MiB")
	x.answer("", 503)
	x.breaches(1, 2)
	second := queueName(strings.TrimSuffix(x.names()[0], ".0000.push"), 1) // as if it were of the first recording
	if err := os.Rename(filepath.Join(x.dir, x.names()[1]), filepath.Join(x.dir, second)); err != nil {
		t.Fatal(err)
	}
	x.answer("", 0)
	x.answer("2", 503)
	x.drain(t.Context(), "")
	x.got("1")
	if got := x.names(); !slices.Equal(got, []string{second}) {
		t.Errorf("%q wait", got)
	}
	x.end()
	x.said("1 recording, ", 1)
	x.answer("2", 0)
	x.drain(t.Context(), "")
	x.got("1", "2")
}

func TestQueueLimitFlag(t *testing.T) {
	for _, text := range []string{"0", "3", "64MiB", "2048MiB"} {
		var q queueLimit
		if err := q.Set(text); err != nil || q.String() != text || q.off != (text == "0") {
			t.Errorf("%s: %v, %v", text, &q, err)
		}
	}
	for _, text := range []string{"", "-1", "64MB"} {
		if err := new(queueLimit).Set(text); err == nil || !strings.Contains(err.Error(), "64MiB") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
