package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	profiles "go.opentelemetry.io/proto/otlp/profiles/v1development"
	"google.golang.org/protobuf/proto"

	timelines "github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// keeper is a server that takes what is pushed.
type keeper struct {
	*httptest.Server
	mu     sync.Mutex
	header http.Header
	path   string
	bodies [][]byte
}

func keepProfiles(t *testing.T) *keeper {
	t.Helper()
	k := new(keeper)
	k.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.header, k.path, k.bodies = r.Header, r.URL.Path, append(k.bodies, body)
	}))
	t.Cleanup(k.Close)
	return k
}

// pushed runs a command line, and returns what it prints.
func pushed(t *testing.T, environ map[string]string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, words bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &words, getenv: func(name string) string { return environ[name] }}
	err = run(t.Context(), e, append([]string{"push"}, args...))
	return out.String(), words.String(), err
}

// requests writes a timeline with a label of so many values.
func requestsFile(t *testing.T, values int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r.pb.gz")
	var b bytes.Buffer
	if err := timelines.New(values, "request").Write(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// texts are those of what was sent by OTLP: keys and values of labels among them.
func texts(t *testing.T, body []byte) []string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var d profiles.ProfilesData
	if err := proto.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	list := slices.Clone(d.Dictionary.StringTable)
	for _, a := range d.Dictionary.AttributeTable {
		list = append(list, a.Value.GetStringValue())
	}
	return list
}

// What identifies single requests does not leave unless somebody says so, and that is said. The environment says where to.
func TestPushByEnvironment(t *testing.T) {
	k := keepProfiles(t)
	file := requestsFile(t, 300)
	environ := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": k.URL + "/base", "OTEL_EXPORTER_OTLP_HEADERS": "x-a=secret1,x-b=secret%202"}
	_, stderr, err := pushed(t, environ, file, "--header", "X-B=secret3")
	if err != nil || k.path != "/base/v1development/profiles" || k.header.Get("X-A") != "secret1" || k.header.Get("X-B") != "secret3" {
		t.Fatalf("%v, %s, %v", err, k.path, k.header)
	}
	if got := texts(t, k.bodies[0]); !slices.Contains(got, "(other)") || slices.Contains(got, "v7") || slices.Contains(got, "go.id") {
		t.Errorf("%q", got)
	}
	for _, want := range []string{`label "request": 300 values left out or (other), as it has too many`, "2 samples of x, ",
		" are at " + k.URL + "/base/v1development/profiles"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not said:\n%s", want, stderr)
		}
	}
	if strings.Contains(stderr, "secret") {
		t.Errorf("a secret is said:\n%s", stderr)
	}
	if _, _, err = pushed(t, environ, file, "--label-values", "request=0"); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, k.bodies[1]); !slices.Contains(got, "v7") || slices.Contains(got, "go.id") {
		t.Errorf("%q", got)
	}
}

// Pyroscope gets nothing of what is for OTLP.
func TestPushPyroscope(t *testing.T) {
	k := keepProfiles(t)
	stdout, _, err := pushed(t, map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "x-a=secret"}, requestsFile(t, 20), "--pyroscope", k.URL,
		"--label-hash", "request", "--label-deny", "go.state", "--json", "-q")
	if err != nil || k.path != "/ingest" || k.header.Get("X-A") != "" {
		t.Fatalf("%v, %s, %v", err, k.path, k.header)
	}
	p, err := profile.Parse(bytes.NewReader(k.bodies[0]))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Sample) != 20 || len(p.Sample[0].Label["request"][0]) != 16 || p.Sample[0].Label["go_state"] != nil {
		t.Errorf("%d samples, %v", len(p.Sample), p.Sample[0].Label)
	}
	var report pushReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || len(report.Files) != 1 {
		t.Fatalf("%v: %s", err, stdout)
	}
	if f := report.Files[0]; f.Samples != 20 || f.Service != "x" || f.Tries != 1 || len(f.Refused) != 3 || f.Bytes != len(k.bodies[0]) {
		t.Errorf("%+v", f)
	}
}

// A watch sends the recording around a breach. That it cannot is said, and keeps it from nothing: the next watch sends it.
func TestWatchPushes(t *testing.T) {
	k, dir := keepProfiles(t), t.TempDir()
	for _, address := range []string{k.URL, "http://127.0.0.1:1"} {
		x := newWatchTest(t, "-p", "3", "--pyroscope", address, "--service", "shop", "-o", dir)
		x.flags.push.server.Timeout = 300 * time.Millisecond
		x.heard(event{pid: 3})
		x.seconds(8, map[int]time.Duration{3: fast})
		x.seconds(4, map[int]time.Duration{3: slow})
		if all := x.breached(); len(all) != 1 || all[0].Files.Report == "" {
			t.Fatalf("%+v: %s", all, x.stderr.String())
		}
		x.backlog.drain(t.Context(), x.backlog.takeLatest())
		want := "samples of shop"
		if address != k.URL {
			want = "connection refused"
		}
		if !strings.Contains(x.stderr.String(), want) {
			t.Errorf("%s", x.stderr.String())
		}
	}
	if len(k.bodies) != 1 {
		t.Fatalf("%d arrived", len(k.bodies))
	}
	newWatchTest(t, "-p", "3", "--pyroscope", k.URL, "-o", dir).backlog.drain(t.Context(), "")
	if len(k.bodies) != 2 {
		t.Fatalf("%d arrived", len(k.bodies))
	}
	p, err := profile.Parse(bytes.NewReader(k.bodies[1]))
	if err != nil || len(p.Sample) == 0 || p.Sample[0].NumLabel != nil {
		t.Errorf("%v, %v", err, p)
	}
}
