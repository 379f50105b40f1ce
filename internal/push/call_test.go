package push

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// serveGRPC is a server of gRPC without TLS that answers one request after the other.
func serveGRPC(t *testing.T, answers ...http.HandlerFunc) (address string, got *[]asked) {
	t.Helper()
	got = new([]asked)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = append(*got, asked{r.Proto, r.URL.Path, nil, r.Header, body})
		w.Header().Set("Content-Type", grpcType)
		answers[min(len(*got), len(answers))-1](w, r)
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http://", "grpc://", 1), got
}

// http2 is a transport for gRPC.
func http2() *http.Transport {
	t := &http.Transport{DisableKeepAlives: true, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP2(true)
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

func toGRPC(t *testing.T, address string) (*Server, *[]time.Duration) {
	t.Helper()
	s, pauses := to(t, OTLP, address)
	s.Transport = http2()
	return s, pauses
}

func framed(flags byte, text []byte) []byte {
	head := make([]byte, frameHead)
	head[0] = flags
	binary.BigEndian.PutUint32(head[1:], uint32(len(text)))
	return append(head, text...)
}

// says answers with a body and then with trailers: name, value, name, value.
func says(body []byte, trailers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(body)
		for pair := range slices.Chunk(trailers, 2) {
			w.Header().Set(http.TrailerPrefix+pair[0], pair[1])
		}
	}
}

func zipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// entry is a field of bytes.
func entry(number protowire.Number, text []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), text)
}

func integer(number protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
}

// taken is that all profiles were.
var taken = says(framed(0, nil), "Grpc-Status", "0")

// What arrives by gRPC is the profile, column by column, in one frame, with the headers that gRPC wants.
func TestByGRPC(t *testing.T) {
	p := hostile.New(50, "request")
	address, got := serveGRPC(t, taken)
	s, _ := toGRPC(t, strings.Replace(address, "grpc://", "grpc://me:secret@", 1))
	s.Header = http.Header{"X-Tenant": {"me"}, "Content-Type": {"text/plain"}}
	if r, err := send(t, s, p); err != nil || r != (Result{Tries: 1, Arrived: 1, Samples: 50}) {
		t.Fatalf("%+v, %v", r, err)
	}
	a := (*got)[0]
	want := map[string]string{"X-Tenant": "me", "Content-Type": "application/grpc+proto", "Te": "trailers", "Grpc-Encoding": "gzip",
		"User-Agent": "mayfly/test", "Otlp-Profiles-Development-Version": "1", "Content-Encoding": "", "Authorization": "Basic bWU6c2VjcmV0"}
	for key, value := range want {
		if a.header.Get(key) != value {
			t.Errorf("%s: %q, want %q", key, a.header[key], value)
		}
	}
	if a.method != "HTTP/2.0" || a.path != method || a.body[0] != frameGzip ||
		int(binary.BigEndian.Uint32(a.body[1:])) != len(a.body)-frameHead {
		t.Fatalf("%s %s %x", a.method, a.path, a.body[:frameHead])
	}
	if d := decode(t, a.body[frameHead:]); !slices.Equal(otlpSums(d, p), sums(p)) {
		t.Errorf("%v, want %v", otlpSums(d, p), sums(p))
	}
	if s.Where() != address {
		t.Errorf("%s, want %s", s.Where(), address)
	}
}

// By grpcs:// there is TLS, and who the server is has to be proved.
func TestByGRPCS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", grpcType)
		taken(w, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	s, pauses := toGRPC(t, strings.Replace(server.URL, "https://", "grpcs://", 1))
	if _, err := send(t, s, hostile.New(1, "k")); err == nil || !strings.Contains(err.Error(), "certificate") || len(*pauses) > 0 {
		t.Errorf("%v, %v", err, *pauses)
	}
	s.Transport = server.Client().Transport
	if r, err := send(t, s, hostile.New(1, "k")); err != nil || r.Arrived != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// details are those of a status with a RetryInfo.
func details(seconds, nanos uint64) string {
	delay := slices.Concat(integer(1, seconds), integer(2, nanos))
	other := entry(1, []byte("type.googleapis.com/google.rpc.Help"))
	info := slices.Concat(entry(1, []byte("type.googleapis.com/google.rpc.RetryInfo")), entry(2, entry(1, delay)))
	return base64.StdEncoding.EncodeToString(slices.Concat(integer(1, 8), entry(2, []byte("busy")), entry(3, other), entry(3, info)))
}

// Statuses pass as OTLP says, and the others are of the profile, or of who asks.
func TestStatus(t *testing.T) {
	for status, want := range map[string]struct {
		tries     int
		ofProfile bool
		text      string
	}{
		"1": {2, false, ""}, "4": {2, false, ""}, "10": {2, false, ""}, "11": {2, false, ""}, "14": {2, false, ""}, "15": {2, false, ""},
		"2": {1, true, "UNKNOWN: no: caf\u00e9"}, "3": {1, true, "INVALID_ARGUMENT: no: caf\u00e9"}, "8": {1, true, "RESOURCE_EXHAUSTED: no: "},
		"13": {1, true, "INTERNAL: no"}, "5": {1, false, "NOT_FOUND: no: caf\u00e9: does it take"}, "7": {1, false, "PERMISSION_DENIED: no"},
		"12": {1, false, "UNIMPLEMENTED: no: caf\u00e9: does it take profiles?"}, "16": {1, false, "UNAUTHENTICATED: no"},
		"99": {1, true, "status 99 of gRPC"}, "x": {1, false, errNoStatus.Error()}, "": {1, false, errNoStatus.Error()},
	} {
		address, got := serveGRPC(t, says(nil, "Grpc-Status", status, "Grpc-Message", "no: caf%C3%A9"), taken)
		s, _ := toGRPC(t, address)
		_, err := send(t, s, hostile.New(1, "k"))
		if (err == nil) != (want.tries == 2) || len(*got) != want.tries || OfProfile(err) != want.ofProfile {
			t.Errorf("%s: %v after %d, of the profile: %v", status, err, len(*got), OfProfile(err))
		}
		if err != nil && !strings.HasPrefix(err.Error(), address+": "+want.text) {
			t.Errorf("%s: %v, want %s", status, err, want.text)
		}
	}
}

// A server that is full and says for how long is asked again then, also if there is nothing but a header.
func TestRetryInfo(t *testing.T) {
	only := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Grpc-Status", "8")
		w.Header().Set("Grpc-Status-Details-Bin", strings.TrimRight(details(0, 750e6), "="))
	}
	address, got := serveGRPC(t, says(nil, "Grpc-Status", "8", "Grpc-Status-Details-Bin", details(7, 5e8)), only, taken)
	s, pauses := toGRPC(t, address)
	_, err := send(t, s, hostile.New(1, "k"))
	if want := []time.Duration{7500 * time.Millisecond, 750 * time.Millisecond}; err != nil || len(*got) != 3 || !slices.Equal(*pauses, want) {
		t.Errorf("%v, %v", err, *pauses)
	}
}

// An answer that is none of gRPC, or not whole, is an error, whatever its status.
func TestBadCall(t *testing.T) {
	ok := []string{"Grpc-Status", "0"}
	long := framed(0, make([]byte, 2*mostAnswer))
	for what, answer := range map[string]http.HandlerFunc{
		"no message": says(nil, ok...), "half a head": says([]byte{0, 0}, ok...), "half a message": says(framed(0, []byte("abc"))[:6], ok...),
		"two": says(append(framed(0, nil), framed(0, nil)...), ok...), "flags": says(framed(4, nil), ok...), "long": says(long, ok...),
		"compressed": says(framed(frameGzip, zipped(t, nil)), ok...), "trailers of Web": says(framed(frameTrailers, []byte("grpc-status: 0"))),
		"no OTLP": says(framed(0, []byte("\xff")), ok...), "no status": says(framed(0, nil)),
		"a page":  func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") },
		"a proxy": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
	} {
		address, got := serveGRPC(t, answer)
		s, _ := toGRPC(t, address)
		if r, err := send(t, s, hostile.New(1, "k")); err == nil || r.Arrived > 0 || len(*got) != 1 || OfProfile(err) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
}

// What a receiver did not take is said, compressed or not.
func TestPartialByGRPC(t *testing.T) {
	partial := entry(1, slices.Concat(integer(1, 2), entry(2, []byte("too\nmany"))))
	compressed := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Grpc-Encoding", "gzip")
		says(framed(frameGzip, zipped(t, partial)), "Grpc-Status", "0")(w, r)
	}
	address, _ := serveGRPC(t, says(framed(0, partial), "Grpc-Status", "0"), compressed)
	s, _ := toGRPC(t, address)
	for range 2 {
		if r, err := send(t, s, hostile.New(1, "k")); err != nil || r.Rejected != 2 || r.Message != "too\uFFFDmany" {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// A server of HTTP/1 is said to be none of gRPC, at once. Who still writes while it hangs up hears of that only, and tries again.
func TestNoGRPC(t *testing.T) {
	server, _ := receiver(t, fine)
	s, pauses := toGRPC(t, strings.Replace(server.URL, "http://", "grpc://", 1))
	if _, err := send(t, s, hostile.New(1, "k")); err == nil || !strings.Contains(err.Error(), errHTTP.Error()) || len(*pauses) > 1 {
		t.Errorf("%v, %v", err, *pauses)
	}
	for address, want := range map[string]string{server.URL: "HTTP response to HTTPS client",
		answering(t, "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00"): "TLS handshake"} {
		s, pauses = toGRPC(t, strings.Replace(address, "http://", "grpcs://", 1))
		if _, err := send(t, s, hostile.New(1, "k")); err == nil || !strings.Contains(err.Error(), want) || len(*pauses) > 0 {
			t.Errorf("%v, %v", err, *pauses)
		}
	}
}

// Of a message that is too large for a server of gRPC there are several.
func TestSplitByGRPC(t *testing.T) {
	p := hostile.New(100, "request")
	for _, s := range p.Sample {
		s.Label["request"] = []string{s.Label["request"][0] + strings.Repeat("x", mostMessage/90)}
	}
	address, got := serveGRPC(t, taken)
	s, _ := toGRPC(t, address)
	if r, err := send(t, s, p); err != nil || r.Arrived != 2 || r.Samples != 100 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, a := range *got {
		if text, err := (frame{frameGzip, a.body[frameHead:]}).message("gzip", mostMessage); err != nil {
			t.Errorf("%d bytes, %v", len(text), err)
		}
	}
}

// A call of gRPC-Web goes over HTTP/1, and has its trailers in a frame.
func TestWebCall(t *testing.T) {
	status := framed(frameTrailers, []byte("grpc-status: 0\r\ngrpc-message: \r\n"))
	failed := framed(frameTrailers, []byte("Grpc-Status:3\r\nGrpc-Message:bad%20query"))
	for what, tt := range map[string]struct {
		body []byte
		want string
		err  string
	}{
		"a message": {append(framed(0, []byte("abc")), status...), "abc", ""}, "failed": {failed, "", "INVALID_ARGUMENT: bad query"},
		"no trailers": {framed(0, []byte("abc")), "", errNoStatus.Error()},
		"too long":    {append(framed(0, []byte("abcd")), status...), "", ErrLong.Error()},
		"more":        {append(status, framed(0, nil)...), "", errNoStatus.Error()}, "garbage": {[]byte("garbage and more"), "", errCut.Error()},
	} {
		server, got := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc-web+proto")
			_, _ = w.Write(tt.body)
		})
		u, err := url.Parse(server.URL + "/p.S/M")
		if err != nil {
			t.Fatal(err)
		}
		answer, err := (&Call{URL: u, Message: []byte("x"), Web: true}).Do(t.Context(), nil, 3)
		if string(answer) != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%s: %q, %v", what, answer, err)
		}
		if a := (*got)[0]; a.header.Get("Content-Type") != "application/grpc-web+proto" || !bytes.Equal(a.body, framed(0, []byte("x"))) {
			t.Errorf("%s: %v, %q", what, a.header, a.body)
		}
	}
}

// Whatever a server answers, it is one message within the bound or an error.
func FuzzCall(f *testing.F) {
	f.Add(append(framed(0, []byte("abc")), framed(frameTrailers, []byte("grpc-status:0"))...), "0", details(1, 2))
	f.Add(framed(frameGzip, []byte("\x1f\x8b")), "8", "")
	f.Fuzz(func(t *testing.T, body []byte, status, more string) {
		h := http.Header{"Grpc-Status": {status}, "Grpc-Status-Details-Bin": {more}, "Grpc-Encoding": {"gzip"}}
		for _, web := range []bool{false, true} {
			c := &Call{Web: web}
			if text, err := c.read(&http.Response{Header: h}, body, 100); err == nil && len(text) > 100 || err != nil && text != nil {
				t.Errorf("%d bytes, %v", len(text), err)
			}
			var refused *refusal
			if err := statusOf(h); errors.As(err, &refused) && (refused.code < 400 || refused.after < 0) {
				t.Errorf("%+v", refused)
			}
		}
	})
}
