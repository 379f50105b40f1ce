package query

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

var clock = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// question is a SelectMergeProfileRequest.
type question struct {
	kind, selector string
	start, end     int64
}

func readQuestion(t *testing.T, b []byte) (q question) {
	t.Helper()
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(number, kind, b[max(n, 0):])
		if n < 0 || size < 0 {
			t.Fatal("not a message")
		}
		text, _ := protowire.ConsumeBytes(b[n:])
		v, _ := protowire.ConsumeVarint(b[n:])
		switch number {
		case 1:
			q.kind = string(text)
		case 2:
			q.selector = string(text)
		case 3:
			q.start = int64(v)
		case 4:
			q.end = int64(v)
		default:
			t.Errorf("field %d", number)
		}
		b = b[n+size:]
	}
	return q
}

// serve is a server of Pyroscope's query API that answers all alike, and what it was asked.
func serve(t *testing.T, answer http.HandlerFunc) (address string, asked *[]*http.Request, questions *[]question) {
	t.Helper()
	asked, questions = new([]*http.Request), new([]question)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked, *questions = append(*asked, r), append(*questions, readQuestion(t, body))
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http://", "pyroscope://user:secret@", 1), asked, questions
}

func answer(kind string, code int, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(code)
		_, _ = w.Write(body)
	}
}

// encoded is a profile of two samples, compressed, of a duration.
func encoded(t *testing.T, d time.Duration) []byte {
	t.Helper()
	p := hostile.New(2, "k")
	p.DurationNanos = int64(d)
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ask asks for one profile.
func ask(ctx context.Context, t *testing.T, c *Client, address string) ([]byte, error) {
	t.Helper()
	all, err := Parse(address, clock)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return c.Fetch(ctx, all[0], 1<<20)
}

// What is asked for is what the address says, and what comes back is the answer.
func TestFetch(t *testing.T) {
	body := encoded(t, time.Second)
	address, asked, questions := serve(t, answer(messageType, http.StatusOK, body))
	c := &Client{Timeout: time.Minute, UserAgent: "mayfly/test", Header: http.Header{"X-Scope-Orgid": {"me"}, "Content-Type": {"no"}}}
	got, err := ask(t.Context(), t, c, address+"/a/shop?from=-2h&until=now-1h&env=~p.*")
	if err != nil || !bytes.Equal(got, body) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	want := question{defaultType, `{service_name="a/shop",env=~"p.*"}`, clock.Add(-2 * time.Hour).UnixMilli(),
		clock.Add(-time.Hour).UnixMilli() - 1}
	if q := (*questions)[0]; q != want {
		t.Errorf("%+v, want %+v", q, want)
	}
	r := (*asked)[0]
	if user, password, _ := r.BasicAuth(); r.Method != "POST" || r.URL.String() != procedure || user != "user" || password != "secret" {
		t.Errorf("%s %s by %s", r.Method, r.URL, user)
	}
	for key, want := range map[string]string{"Content-Type": messageType, "Connect-Protocol-Version": "1", "X-Scope-OrgID": "me",
		"User-Agent": "mayfly/test", "Accept-Encoding": "gzip"} {
		if got := r.Header[http.CanonicalHeaderKey(key)]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", key, got)
		}
	}
}

// A profile whose duration the server leaves out took the range, compressed or not, and has the same samples.
func TestDuration(t *testing.T) {
	plain := func(b []byte) []byte {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		b, err = io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		body []byte
		want time.Duration
	}{
		{encoded(t, 0), time.Hour}, {plain(encoded(t, 0)), time.Hour}, {plain(encoded(t, 7)), 7},
	} {
		address, _, _ := serve(t, answer(messageType, http.StatusOK, tt.body))
		b, err := ask(t.Context(), t, &Client{Timeout: time.Minute}, address+"/shop")
		if err != nil {
			t.Fatal(err)
		}
		p, err := samples.Read(bytes.NewReader(b), "answer")
		if err != nil || p.DurationNanos != int64(tt.want) || len(p.Sample) != len(hostile.New(2, "k").Sample) {
			t.Errorf("%v, %v", p, err)
		}
	}
}

// No data is said to be that, in each way that a server has to say it.
func TestNoData(t *testing.T) {
	var compressed, without bytes.Buffer
	z := gzip.NewWriter(&compressed)
	_ = z.Close()
	if err := (&profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}}).Write(&without); err != nil {
		t.Fatal(err)
	}
	var merged []byte // of none: a sample type and a period type without names, and a string table with ""
	for _, number := range []protowire.Number{1, 11, 6} {
		merged = protowire.AppendBytes(protowire.AppendTag(merged, number, protowire.BytesType), nil)
	}
	for i, body := range [][]byte{nil, compressed.Bytes(), without.Bytes(), merged} {
		address, _, _ := serve(t, answer(messageType, http.StatusOK, body))
		if _, err := ask(t.Context(), t, &Client{Timeout: time.Minute}, address+"/shop"); !errors.Is(err, ErrNoData) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// Errors are one line that begins with the place, end with what to do, and have no secret in them.
func TestRefused(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 2<<20)
	for _, tt := range []struct {
		answer http.HandlerFunc
		want   string
	}{
		{answer("text/plain", 404, []byte("404 page not found\n")), "404 Not Found: 404 page not found: is that the address of a Pyroscope"},
		{answer("application/json", 401, []byte(`{"code":"unauthenticated","message":"no org\nid"}`)),
			"401 Unauthorized: no org\uFFFDid: give USER:PASSWORD@ before the host, or --header"},
		{answer("application/json", 400, []byte(`{"message":"start must be before end"}`)), "400 Bad Request: start must be before end"},
		{answer("text/html", 200, []byte("<html>sign in</html>")), `the answer is "text/html", and no profile: is that the address`},
		{answer(messageType, 200, []byte("\xff\xff\xff")), "the answer: not a pprof profile"},
		{answer(messageType, 200, encoded(t, 1)[:40]), "the answer: not a pprof profile"},
		{answer(messageType, 200, long), "too large: more than 1048576 bytes: ask for a shorter range"},
		{func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		},
			"307 Temporary Redirect: no redirect is followed, name the server itself"},
	} {
		address, asked, _ := serve(t, tt.answer)
		_, err := ask(t.Context(), t, &Client{Timeout: time.Minute, Header: http.Header{"X-Key": {"secret"}}}, address+"/shop?env=secret")
		where := strings.Replace(address, "user:secret@", "", 1) + "/shop?from=2026-01-02T14:04:05Z&until=2026-01-02T15:04:05Z: "
		if err == nil || !strings.HasPrefix(err.Error(), where+tt.want) || strings.Contains(err.Error(), "secret") || len(*asked) != 1 {
			t.Errorf("%v, asked %d times, want %s%s", err, len(*asked), where, tt.want)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	_, err := ask(t.Context(), t, &Client{Timeout: time.Minute}, "pyroscope://user:secret@127.0.0.1:1/shop")
	if err == nil || !strings.Contains(err.Error(), "connection refused: is the server up") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	address, _, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if _, err := ask(t.Context(), t, &Client{Timeout: 30 * time.Millisecond}, address+"/shop"); !errors.Is(err, errSilent) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(ctx, t, &Client{Timeout: time.Minute}, address+"/shop"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// pyroscopes:// is TLS, and who the server is has to be proved.
func TestTLS(t *testing.T) {
	body := encoded(t, 1)
	server := httptest.NewUnstartedServer(answer(messageType, http.StatusOK, body))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	address := strings.Replace(server.URL, "https://", "pyroscopes://", 1) + "/shop"
	if _, err := ask(t.Context(), t, &Client{Timeout: time.Minute}, address); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
	c := &Client{Timeout: time.Minute, Transport: server.Client().Transport}
	if got, err := ask(t.Context(), t, c, address); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
