package push

import (
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

func TestEndpoint(t *testing.T) {
	for _, tt := range []struct{ address, otlp, base, pyroscope string }{
		{"http://h:4318", "http://h:4318/v1development/profiles", "http://h:4318/v1development/profiles", "http://h:4318/ingest"},
		{"https://h/", "https://h/v1development/profiles", "https://h/v1development/profiles", "https://h/ingest"},
		{"http://h/x/", "http://h/x/", "http://h/x/v1development/profiles", "http://h/x/ingest"},
		{"http://h/ingest", "http://h/ingest", "http://h/ingest/v1development/profiles", "http://h/ingest"},
		{"http://h/a/ingest?q=1#f", "http://h/a/ingest?q=1", "http://h/a/ingest/v1development/profiles?q=1", "http://h/a/ingest?q=1"},
		{"grpc://h:1/", "grpc://h:1", "grpc://h:1", ""},
		{"grpcs://u:p@[::1]", "grpcs://u:p@[::1]:4317", "grpcs://u:p@[::1]:4317", ""},
		{"grpc://h/secret", "", "", ""}, {"grpc://h?secret", "", "", ""}, {"grpc://:1", "", "", ""},
		{"h:4318", "", "", ""}, {"ftp://h", "", "", ""}, {"http:///x", "", "", ""}, {"", "", "", ""}, {"http://h:secret", "", "", ""},
	} {
		check := func(what, want string, f func(string) (interface{ String() string }, error)) {
			u, err := f(tt.address)
			if err != nil && (want != "" || strings.Contains(err.Error(), "secret")) || err == nil && u.String() != want {
				t.Errorf("%s of %q: %v, %v, want %q", what, tt.address, u, err, want)
			}
		}
		check("otlp", tt.otlp, func(s string) (interface{ String() string }, error) { return OTLP.Endpoint(s) })
		check("base", tt.base, func(s string) (interface{ String() string }, error) { return OTLP.Base(s, "") })
		check("pyroscope", tt.pyroscope, func(s string) (interface{ String() string }, error) { return Pyroscope.Endpoint(s) })
	}
}

// OTEL_EXPORTER_OTLP_PROTOCOL says what http:// means.
func TestBaseByProtocol(t *testing.T) {
	for address, want := range map[string]string{"http://h:4317": "grpc://h:4317", "https://h": "grpcs://h:4317", "grpc://h": "grpc://h:4317",
		"h:4317": ""} {
		if u, err := OTLP.Base(address, "grpc"); (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%s: %v, %v", address, u, err)
		}
	}
	if u, err := OTLP.Base("http://h", "http/protobuf"); err != nil || u.String() != "http://h/v1development/profiles" {
		t.Errorf("%v, %v", u, err)
	}
}

func TestWhere(t *testing.T) {
	u, err := Pyroscope.Endpoint("http://user:secret@h:4040?token=secret")
	if err != nil {
		t.Fatal(err)
	}
	if got := (&Server{URL: u}).Where(); got != "http://h:4040/ingest" {
		t.Error(got)
	}
}

func TestHeader(t *testing.T) {
	h, err := Header([]string{"authorization=Bearer a=b", "X-Scope-OrgID = 1", "x-scope-orgid=2"})
	if err != nil || len(h) != 2 || h.Get("Authorization") != "Bearer a=b" || h.Get("X-Scope-OrgID") != "2" {
		t.Errorf("%v, %v", h, err)
	}
	for _, pair := range []string{"secret", "=secret", "a b=secret", "a:b=secret", "a=secret\r\nb: c", "a=secret\x00"} {
		if h, err := Header([]string{pair}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %v", pair, h, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{"0": 0, "120": 2 * time.Minute, "Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0, "": -1, "-1": -1, "1.5": -1, "soon": -1, "99999999999999999999": -1} {
		if d, ok := retryAfter(text, now); ok != (want >= 0) || ok && d != want {
			t.Errorf("%q: %v, %v", text, d, ok)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(response(3, "a"))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cost.Small.Hold(t, func() {
			if rejected, message, err := readPartial(b); err != nil && (rejected != 0 || message != "") {
				t.Errorf("%d, %q, %v", rejected, message, err)
			}
			readStatus(b)
		})
	})
}
