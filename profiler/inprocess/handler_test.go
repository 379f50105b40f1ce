package inprocess_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/fgprof"
	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
)

// got is an answer.
type got struct {
	code   int
	header http.Header
	body   []byte
}

func get(t testing.TB, u string) got {
	t.Helper()
	r, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got{r.StatusCode, r.Header, b}
}

// oneLine fails unless the answer is an error of one line that contains want.
func (g got) oneLine(t testing.TB, code int, want string) {
	t.Helper()
	if g.code != code || bytes.Count(g.body, []byte("\n")) != 1 || !strings.Contains(string(g.body), want) ||
		g.header.Get("X-Go-Pprof") != "1" ||
		g.header.Get("X-Content-Type-Options") != "nosniff" || g.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %q %v, want %d and one line with %q", g.code, g.body, g.header, code, want)
	}
}

// hum is a goroutine with a label that is there while the test runs.
func hum(t testing.TB) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go pprof.Do(ctx, pprof.Labels("job", "hum"), func(ctx context.Context) {
		defer close(done)
		for ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); <-done })
}

func TestHandler(t *testing.T) {
	srv := httptest.NewServer(inprocess.Handler())
	defer srv.Close()
	hum(t)
	g := get(t, srv.URL+"?seconds=1")
	p, err := profile.ParseData(g.body)
	if err != nil || g.code != 200 {
		t.Fatalf("%d %v %.200q", g.code, err, g.body)
	}
	if ct, cd := g.header.Get("Content-Type"), g.header.Get("Content-Disposition"); ct != "application/octet-stream" ||
		cd != `attachment; filename="mayfly.pb.gz"` {
		t.Errorf("%q %q", ct, cd)
	}
	if p.DurationNanos < 9e8 || len(p.SampleType) != 5 || p.DefaultSampleType != "cpu" {
		t.Errorf("%d ns, columns %v", p.DurationNanos, p.SampleType)
	}
	if g := get(t, srv.URL+"?seconds=1&format=folded&mode=cpu&hz=99"); g.code != 200 ||
		g.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("folded: %d %v", g.code, g.header)
	}
}

func TestHandlerRefuses(t *testing.T) {
	srv := httptest.NewServer(inprocess.Handler())
	defer srv.Close()
	for query, want := range map[string]string{
		"seconds=0": "seconds", "seconds=-1": "seconds", "seconds=1.5": "seconds", "seconds=121": "1 to 120", "seconds=x%0Ay": `"x\ny"`,
		"hz=0": "hz", "hz=1e3": "hz", "hz=1000": "1 to 999", "mode=all": "mode", "format=svg": "pprof, folded",
		"engine=magic": "engine", "engine=fgprof": "stops the world", "%zz": "query", "seconds=1;hz=2": "semicolon",
	} {
		get(t, srv.URL+"?"+query).oneLine(t, 400, want)
	}
	headers := func(key, value string) *http.Request {
		req, _ := http.NewRequest("GET", srv.URL+"?seconds=1", nil)
		if req.Header.Set(key, value); key == "Host" {
			req.Host = value
		}
		return req
	}
	for _, req := range []*http.Request{headers("Sec-Fetch-Site", "cross-site"), headers("Sec-Fetch-Site", "same-site"),
		headers("Host", "evil.example")} {
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusForbidden {
			t.Errorf("%v, host %s: %s", req.Header, req.Host, r.Status)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		req, _ := http.NewRequest(method, srv.URL+"?seconds=1", nil)
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != 405 || r.Header.Get("Allow") != "GET" {
			t.Errorf("%s: %d %v", method, r.StatusCode, r.Header)
		}
	}
}

func TestHandlerHonoursWriteTimeout(t *testing.T) {
	srv := httptest.NewUnstartedServer(inprocess.Handler())
	srv.Config.WriteTimeout = 2 * time.Second
	srv.Start()
	defer srv.Close()
	get(t, srv.URL+"?seconds=2").oneLine(t, 400, "exceeds server's WriteTimeout")
}

func TestHandlerOneAtATime(t *testing.T) {
	srv := httptest.NewServer(inprocess.Handler())
	defer srv.Close()
	s, err := inprocess.Start(inprocess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	get(t, srv.URL+"?seconds=1").oneLine(t, 409, "already")
	if _, err := s.Stop(); err != nil {
		t.Error(err)
	}
	if g := get(t, srv.URL+"?seconds=1"); g.code != 200 {
		t.Errorf("%d %s", g.code, g.body)
	}
}

// A client that goes away ends its recording. With a body, of which net/http would have to read the end first to see
// that, there is none.
func TestHandlerClientGone(t *testing.T) {
	srv := httptest.NewServer(inprocess.Handler())
	defer srv.Close()
	ask := func(body io.Reader) (*http.Response, error) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL+"?seconds=100", body)
		return http.DefaultClient.Do(req)
	}
	if _, err := ask(nil); err == nil {
		t.Fatal("an answer")
	}
	if r, err := ask(strings.NewReader("x")); err != nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("a body: %v %v", r, err)
	}
	idle(t)
}

// idle waits until no session runs.
func idle(t testing.TB) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		s, err := inprocess.Start(inprocess.Options{Engine: profiler.Runtime, Mode: profiler.CPU})
		if err == nil {
			s.Stop()
			return
		}
		if time.Since(begin) > 30*time.Second {
			t.Fatal(err)
		}
	}
}

// A thousand bad requests: each is answered with an error of the client's or a valid profile, and
// none leaves a goroutine behind.
func TestHandlerWithstands(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/debug/mayfly/profile", inprocess.Handler())
	mux.Handle("/debug/mayfly/fgprof", fgprof.Handler())
	srv := httptest.NewServer(mux)
	defer srv.Close()
	idle(t)
	before := runtime.NumGoroutine()
	rnd := rand.New(rand.NewPCG(1, 2))
	codes := make(map[int]int)
	for i := range 1000 {
		if i%50 == 0 {
			abort(t, srv.Listener.Addr().String(), rnd)
			continue
		}
		g, valid := bad(t, srv.URL, rnd)
		codes[g.code]++
		if g.code/100 == 4 || valid {
			continue
		}
		t.Fatalf("%d %.200q", g.code, g.body)
	}
	t.Logf("answers %v", codes)
	idle(t)
	http.DefaultClient.CloseIdleConnections()
	for begin := time.Now(); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

var (
	badValues = []string{"", "0", "-1", "1", "1e9", "99999999999999999999", "NaN", "\x00", "%", "é", "../..", "wall", "cpu", "pprof",
		"folded", "fgprof", "runtime", "' OR 1", "\r\nX: y", strings.Repeat("9", 5000)}
	badKeys = []string{"seconds", "hz", "mode", "format", "engine", "", "debug", "seconds[]"}
	methods = []string{"GET", "GET", "GET", "GET", "POST", "HEAD", "PUT", "DELETE", "BREW"}
)

// bad sends a request that is most likely wrong and says whether the answer is a valid profile.
func bad(t *testing.T, base string, rnd *rand.Rand) (got, bool) {
	q := url.Values{}
	for range 1 + rnd.IntN(4) {
		q.Add(badKeys[rnd.IntN(len(badKeys))], badValues[rnd.IntN(len(badValues))])
	}
	if !q.Has("seconds") { // the good ones among them are not to take ten seconds each
		q.Set("seconds", "x")
	}
	path := []string{"/debug/mayfly/profile", "/debug/mayfly/fgprof"}[rnd.IntN(2)]
	req, err := http.NewRequest(methods[rnd.IntN(len(methods))], base+path+"?"+q.Encode(),
		strings.NewReader(strings.Repeat("x", rnd.IntN(100))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if q.Get("seconds") == "" { // the default: its client does not wait for it
		ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
	}
	r, err := http.DefaultClient.Do(req.WithContext(ctx))
	if err != nil {
		return got{}, ctx.Err() != nil
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return got{}, ctx.Err() != nil
	}
	g := got{r.StatusCode, r.Header, b}
	if g.code != 200 {
		return g, false
	}
	if q.Get("format") == "folded" {
		return g, true
	}
	p, err := profile.ParseData(b)
	return g, err == nil && p.CheckValid() == nil
}

// abort sends a request, whole or in part, and hangs up.
func abort(t *testing.T, addr string, rnd *rand.Rand) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("GET /debug/mayfly/profile?seconds=100&hz=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", 1+rnd.IntN(999))
	c.Write([]byte(text[:len(text)-rnd.IntN(2)*rnd.IntN(len(text))]))
	time.Sleep(time.Duration(rnd.IntN(40)) * time.Millisecond)
	c.Close()
}

// What fgprof's users have is there: all goroutines with their time, one import away; and labels.
func TestFGProf(t *testing.T) {
	hum(t)
	var b bytes.Buffer
	stop := fgprof.Start(&b, fgprof.FormatPprof)
	time.Sleep(500 * time.Millisecond)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	p, err := profile.ParseData(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if p.DefaultSampleType != "wall" {
		t.Errorf("default column %q", p.DefaultSampleType)
	}
	labelled := false
	for _, s := range p.Sample {
		labelled = labelled || len(s.Label["job"]) > 0 && s.Label["job"][0] == "hum"
	}
	if runtime.GOOS == "linux" && !labelled {
		t.Error("no sample with the goroutine's label")
	}
	b.Reset()
	stop = fgprof.Start(&b, fgprof.FormatFolded)
	time.Sleep(200 * time.Millisecond)
	if err := stop(); err != nil || !strings.Contains(b.String(), ";time.Sleep;") && !strings.Contains(b.String(), "time.Sleep") {
		t.Errorf("%v: %.300q", err, b.String())
	}
	stop = fgprof.Start(&b, "svg")
	if err := stop(); err == nil {
		t.Error("a format that nobody knows")
	}
}

// fgprof divides by its rate: a window without a sample is an error and no crash.
func TestFGProfEngineWithoutTime(t *testing.T) {
	for range 20 {
		s, err := inprocess.Start(inprocess.Options{Engine: profiler.FGProf})
		if err != nil {
			t.Fatal(err)
		}
		if rec, err := s.Stop(); err == nil && rec.Profile.CheckValid() != nil {
			t.Error("neither a profile nor an error")
		}
	}
}
