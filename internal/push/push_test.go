package push

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	profiles "go.opentelemetry.io/proto/otlp/profiles/v1development"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// asked is a request that a server got.
type asked struct {
	method, path string
	query        url.Values
	header       http.Header
	body         []byte
}

// receiver is a server that answers one request after the other, the last answer again and again.
func receiver(t *testing.T, answers ...http.HandlerFunc) (*httptest.Server, *[]asked) {
	t.Helper()
	got := new([]asked)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = append(*got, asked{r.Method, r.URL.Path, r.URL.Query(), r.Header, body})
		answers[min(len(*got), len(answers))-1](w, r)
	}))
	t.Cleanup(server.Close)
	return server, got
}

func fine(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", protobufType) }

// busy asks for a pause, unless that is "".
func busy(code int, pause string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if pause != "" {
			w.Header().Set("Retry-After", pause)
		}
		w.WriteHeader(code)
	}
}

// to is a server at an address, and the pauses that are made: they take no time.
func to(t *testing.T, protocol Protocol, address string) (*Server, *[]time.Duration) {
	t.Helper()
	u, err := protocol.Endpoint(address)
	if err != nil {
		t.Fatal(err)
	}
	pauses := new([]time.Duration)
	return &Server{Protocol: protocol, URL: u, Timeout: time.Minute, UserAgent: "mayfly/test", wait: func(d time.Duration) <-chan time.Time {
		*pauses = append(*pauses, d)
		now := make(chan time.Time, 1)
		now <- time.Now()
		return now
	}}, pauses
}

func send(t *testing.T, s *Server, p *profile.Profile) (Result, error) {
	t.Helper()
	encoded, err := s.Encode(p, "")
	if err != nil {
		t.Fatal(err)
	}
	return s.Send(t.Context(), encoded)
}

// sums are those of a profile's columns, by place.
func sums(p *profile.Profile) []int64 {
	list := make([]int64, len(p.SampleType))
	for _, s := range p.Sample {
		for c, v := range s.Value {
			list[c] += v
		}
	}
	return list
}

// What arrives at a receiver of OTLP is the profile, column by column, and says whose it is.
func TestOTLP(t *testing.T) {
	all := hostile.Others()
	all["a timeline"] = hostile.New(50, "request")
	all["a timeline"].Comments = []string{"mayfly.resource=service.name=shop,deployment.environment=test", "mayfly.pid=42"}
	for name, p := range all {
		server, got := receiver(t, fine)
		s, _ := to(t, OTLP, server.URL)
		s.Header = http.Header{"Authorization": {"secret"}, "Content-Type": {"text/plain"}}
		if r, err := send(t, s, p); err != nil || r != (Result{Tries: 1, Arrived: 1, Samples: len(p.Sample)}) {
			t.Fatalf("%s: %+v, %v", name, r, err)
		}
		a := (*got)[0]
		want := map[string]string{"Authorization": "secret", "Content-Type": protobufType, "Content-Encoding": "gzip",
			"User-Agent": "mayfly/test", "Otlp-Profiles-Development-Version": "1"}
		for key, value := range want {
			if values := a.header[key]; len(values) != 1 || values[0] != value {
				t.Errorf("%s: %q", key, values)
			}
		}
		if a.method != "POST" || a.path != "/v1development/profiles" {
			t.Errorf("%s %s", a.method, a.path)
		}
		d := decode(t, a.body)
		if !slices.Equal(otlpSums(d, p), sums(p)) {
			t.Errorf("%s: %v, want %v", name, otlpSums(d, p), sums(p))
		}
		if name != "a timeline" {
			continue
		}
		attributes := make(map[string]string)
		for _, kv := range d.ResourceProfiles[0].Resource.Attributes {
			attributes[kv.Key] = strings.ReplaceAll(kv.Value.String(), "  ", " ")
		}
		if want := map[string]string{"service.name": `string_value:"shop"`, "deployment.environment": `string_value:"test"`,
			"process.pid": "int_value:42", "process.executable.name": `string_value:"x"`,
			"process.executable.path": `string_value:"/bin/x"`}; !maps.Equal(attributes, want) {
			t.Errorf("%v, want %v", attributes, want)
		}
	}
}

func decode(t *testing.T, body []byte) *profiles.ProfilesData {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	d := new(profiles.ProfilesData) // of the same fields as an ExportProfilesServiceRequest
	if err := proto.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// otlpSums are those of what arrived, in the order of p: the column that is shown first comes first.
func otlpSums(d *profiles.ProfilesData, p *profile.Profile) []int64 {
	all := d.ResourceProfiles[0].ScopeProfiles[0].Profiles
	list := make([]int64, len(p.SampleType))
	taken := make(map[int]bool)
	for _, got := range all {
		text := d.Dictionary.StringTable
		c := slices.IndexFunc(p.SampleType, func(st *profile.ValueType) bool {
			return !taken[slices.Index(p.SampleType, st)] && st.Type == text[got.SampleType.TypeStrindex] &&
				st.Unit == text[got.SampleType.UnitStrindex]
		})
		taken[c] = true
		for _, s := range got.Samples {
			for _, v := range s.Values {
				list[c] += v
			}
		}
	}
	return list
}

// Pyroscope gets a pprof file with labels that can be those of a series.
func TestPyroscope(t *testing.T) {
	p := hostile.New(20, "9 a")
	for _, s := range p.Sample {
		s.Label["go_state"], s.Label["__x"], s.Label["service_name"] = []string{"lost"}, []string{"y", "z"}, []string{"n\xff"}
	}
	server, got := receiver(t, busy(http.StatusOK, ""))
	s, _ := to(t, Pyroscope, server.URL+"/base?x=1")
	encoded, err := s.Encode(p, "my shop/1")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Send(t.Context(), encoded); err != nil || r.Tries != 1 || encoded.Service != "my_shop/1" {
		t.Fatalf("%+v, %v", r, err)
	}
	a := (*got)[0]
	want := url.Values{"name": {"my_shop/1"}, "from": {"1000000000"}, "until": {"1000000001"}, "format": {"pprof"}, "spyName": {"mayfly"},
		"x": {"1"}}
	if a.path != "/base/ingest" || !maps.EqualFunc(a.query, want, slices.Equal) {
		t.Errorf("%s %v", a.path, a.query)
	}
	arrived, err := profile.Parse(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sums(arrived), sums(p)) {
		t.Errorf("%v, want %v", sums(arrived), sums(p))
	}
	labels := arrived.Sample[1].Label
	if len(arrived.Sample[1].NumLabel) > 0 || !maps.EqualFunc(labels, map[string][]string{"label_9_a": {"v1"}, "go_state": {"IO wait"},
		"label_x": {"y,z"}, "label_service_name": {"n\uFFFD"}}, slices.Equal) {
		t.Errorf("%v", labels)
	}
	if p.Sample[1].Label["9 a"] == nil || p.Sample[1].NumLabel == nil {
		t.Error("the profile has changed")
	}
}

// A server that is busy is asked again, when it says or a little later each time; one that asks for more time than there is, is not.
func TestBusy(t *testing.T) {
	server, got := receiver(t, busy(503, "7"), busy(429, ""), busy(502, ""), busy(504, "0"), fine)
	s, pauses := to(t, OTLP, server.URL)
	r, err := send(t, s, hostile.New(1, "k"))
	if err != nil || r.Tries != 5 || len(*got) != 5 {
		t.Fatalf("%+v, %v", r, err)
	}
	ps := *pauses
	if len(ps) != 4 || ps[0] != 7*time.Second || ps[1] < time.Second || ps[1] > 2*time.Second || ps[2] <= ps[1] ||
		ps[2] > 4*time.Second || ps[3] != firstPause/2 {
		t.Errorf("%v", ps)
	}
	if !slices.EqualFunc(*got, slices.Repeat((*got)[:1], 5), func(a, b asked) bool { return bytes.Equal(a.body, b.body) }) {
		t.Error("not the same each time")
	}
	server, got = receiver(t, busy(503, "3600"))
	s, pauses = to(t, OTLP, server.URL)
	_, err = send(t, s, hostile.New(1, "k"))
	if err == nil || len(*got) != 1 || len(*pauses) != 0 ||
		!strings.Contains(err.Error(), "503 Service Unavailable, asks for a pause of 1h0m0s") {
		t.Errorf("%v", err)
	}
}

// Nobody is there: it is tried again until there is no time, and the error is the last one.
func TestNobody(t *testing.T) {
	server, _ := receiver(t, fine)
	s, pauses := to(t, OTLP, server.URL)
	server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	wait := s.wait
	s.wait = func(d time.Duration) <-chan time.Time {
		if len(*pauses) == 8 {
			cancel()
			return nil
		}
		return wait(d)
	}
	encoded, err := s.Encode(hostile.New(1, "k"), "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Send(ctx, encoded)
	if err == nil || r.Tries != 9 || !strings.Contains(err.Error(), "tried 9 times: dial tcp") || slices.Max(*pauses) > longestPause {
		t.Errorf("%+v, %v, %v", r, err, *pauses)
	}
}

// A server that takes the connection and says nothing is left after the time that there is.
func TestSilent(t *testing.T) {
	server, _ := receiver(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s, _ := to(t, OTLP, server.URL)
	s.Timeout = 30 * time.Millisecond
	if _, err := send(t, s, hostile.New(1, "k")); !errors.Is(err, errSilent) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	encoded, err := s.Encode(hostile.New(1, "k"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(ctx, encoded); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// response is an ExportProfilesServiceResponse of which some was not taken.
func response(rejected uint64, message string) []byte {
	partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), rejected)
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), message)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

func TestPartialSuccess(t *testing.T) {
	server, _ := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", protobufType)
		_, _ = w.Write(response(3, "too\nlarge\x1b[2J "+strings.Repeat("x", 1000)))
	})
	s, _ := to(t, OTLP, server.URL)
	r, err := send(t, s, hostile.New(1, "k"))
	if err != nil || r.Rejected != 3 || !strings.HasPrefix(r.Message, "too\uFFFDlarge\uFFFD[2J xxx") || len(r.Message) > mostSaid+10 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Any other answer is the end, and is told without control characters. A page that some proxy shows is no success.
func TestRefused(t *testing.T) {
	status := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "unsupported version\x07")
	for _, tt := range []struct {
		code       int
		kind, text string
		want       string
	}{
		{400, protobufType, string(status), "400 Bad Request: unsupported version\uFFFD"},
		{401, "text/plain", "who\nare you?", "401 Unauthorized: who\uFFFDare you?"},
		{413, "text/html", "<html>", "413 Request Entity Too Large"},
		{400, protobufType, "\xff\xff", "400 Bad Request"},
		{401, "application/json", `{"code":"unauthenticated","message":"no org\nid"}`, "401 Unauthorized: no org\uFFFDid"},
		{400, "application/json; charset=utf-8", "[]\n", "400 Bad Request: []"},
		{200, "text/html", "<html>sign in</html>", "its answer is none of OTLP"},
	} {
		server, got := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.WriteHeader(tt.code)
			_, _ = io.WriteString(w, tt.text)
		})
		s, _ := to(t, OTLP, server.URL)
		_, err := send(t, s, hostile.New(1, "k"))
		if err == nil || !strings.HasPrefix(err.Error(), s.Where()+": "+tt.want) || len(*got) != 1 {
			t.Errorf("%+v: %v, asked %d times", tt, err, len(*got))
		}
	}
}

func TestRedirect(t *testing.T) {
	other, elsewhere := receiver(t, fine)
	server, got := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	s, _ := to(t, OTLP, server.URL)
	_, err := send(t, s, hostile.New(1, "k"))
	if err == nil || !strings.Contains(err.Error(), "307 Temporary Redirect: no redirect is followed") || len(*got) != 1 ||
		len(*elsewhere) != 0 {
		t.Errorf("%v, asked %d and %d times", err, len(*got), len(*elsewhere))
	}
}

// Who a server is, is proved by the system's roots, and not asked twice.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(fine))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	s, pauses := to(t, OTLP, server.URL)
	if r, err := send(t, s, hostile.New(1, "k")); err == nil || r.Tries != 1 || len(*pauses) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	s.Transport = server.Client().Transport
	if _, err := send(t, s, hostile.New(1, "k")); err != nil {
		t.Error(err)
	}
	plain, _ := receiver(t, fine)
	s, pauses = to(t, OTLP, strings.Replace(plain.URL, "http:", "https:", 1))
	if r, err := send(t, s, hostile.New(1, "k")); err == nil || r.Tries != 1 || len(*pauses) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// No error has a secret in it, wherever that was.
func TestSecrets(t *testing.T) {
	server, got := receiver(t, busy(403, ""))
	gone, _ := receiver(t, fine)
	gone.Close()
	for _, address := range []string{server.URL, gone.URL} {
		s, _ := to(t, OTLP, strings.Replace(address, "://", "://user:secret@", 1)+"/?token=secret")
		s.Timeout = 10 * time.Millisecond
		if address == server.URL {
			s.Timeout = time.Minute
		}
		s.Header = http.Header{"X-Key": {"secret"}}
		_, err := send(t, s, hostile.New(1, "k"))
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "user") {
			t.Errorf("%v", err)
		}
	}
	if a := (*got)[0]; a.query.Get("token") != "secret" || a.header.Get("Authorization") == "" {
		t.Errorf("%v", a)
	}
}
