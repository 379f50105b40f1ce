package push

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// keptOf are the files of a profile's requests.
func keptOf(t testing.TB, s *Server, p *Profile) (files [][]byte) {
	t.Helper()
	for _, one := range p.Split() {
		var b bytes.Buffer
		if err := s.Keep(&b, one); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
	}
	return files
}

// What was kept is sent as it would have been: the same requests, and the server's own headers, which are in no file.
func TestKept(t *testing.T) {
	for _, protocol := range []Protocol{OTLP, Pyroscope} {
		server, got := receiver(t, fine)
		s, _ := to(t, protocol, server.URL)
		s.most = 8 << 10
		s.Header = http.Header{"X-Key": {"secret"}}
		encoded, err := s.Encode(hostile.New(200, "request"), "my shop")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.Send(t.Context(), encoded); err != nil {
			t.Fatal(err)
		}
		at := slices.Clone(*got)
		if len(at) != encoded.Requests() || (len(at) > 1) != (protocol == OTLP) {
			t.Errorf("%s: %d requests", protocol, len(at))
		}
		samples := 0
		for i, file := range keptOf(t, s, encoded) {
			p, err := s.Kept(bytes.NewReader(file))
			if err != nil || bytes.Contains(file, []byte("secret")) {
				t.Fatalf("%v", err)
			}
			if _, err = s.Send(t.Context(), p); err != nil || p.Service != encoded.Service || p.Types != encoded.Types {
				t.Errorf("%+v, %v", p, err)
			}
			samples += p.Samples
			a, b := at[i], (*got)[len(at)+i]
			if !bytes.Equal(a.body, b.body) || a.query.Encode() != b.query.Encode() || b.header.Get("X-Key") != "secret" ||
				a.header.Get("Content-Type") != b.header.Get("Content-Type") {
				t.Errorf("%s: request %d is another one", protocol, i)
			}
		}
		if samples != encoded.Samples {
			t.Errorf("%d samples of %d", samples, encoded.Samples)
		}
	}
}

// A file that is not whole, or not what was written, is sent to nobody; neither is one that is for others.
func TestKeptDamaged(t *testing.T) {
	s, _ := to(t, OTLP, "http://h:4318")
	encoded, err := s.Encode(hostile.New(1, "k"), "")
	if err != nil {
		t.Fatal(err)
	}
	file := keptOf(t, s, encoded)[0]
	for i := range file {
		other := slices.Clone(file)
		other[i] ^= 0x20
		for _, text := range [][]byte{other, file[:i]} {
			if _, err := s.Kept(bytes.NewReader(text)); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%d of %d bytes: %v", i, len(file), err)
			}
		}
	}
	s.Protocol = Pyroscope
	if _, err := s.Kept(bytes.NewReader(file)); !errors.Is(err, ErrOther) {
		t.Errorf("%v", err)
	}
}

// Where a server says that a profile is at fault others may arrive; where it is away, or refuses who asks, none does.
func TestOfProfile(t *testing.T) {
	for code, want := range map[int]bool{400: true, 413: true, 415: true, 422: true, 500: true, 307: false, 401: false, 403: false, 404: false,
		407: false, 429: false, 503: false} {
		server, _ := receiver(t, busy(code, "3600"))
		s, _ := to(t, OTLP, server.URL)
		if _, err := send(t, s, hostile.New(1, "k")); err == nil || OfProfile(err) != want {
			t.Errorf("%v", err)
		}
	}
	s, _ := to(t, OTLP, answering(t, "SSH-2.0-x\r\n"))
	if _, err := send(t, s, hostile.New(1, "k")); err == nil || OfProfile(err) {
		t.Errorf("%v", err)
	}
}

func FuzzKept(f *testing.F) {
	s := &Server{Protocol: Pyroscope}
	encoded, err := s.Encode(hostile.New(1, "k"), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(keptOf(f, s, encoded)[0])
	f.Add([]byte(strings.Repeat("\n", 3)))
	f.Fuzz(func(t *testing.T, b []byte) {
		cost.Small.Hold(t, func() {
			if p, err := s.Kept(bytes.NewReader(b)); (p == nil) != (err != nil) {
				t.Errorf("%v, %v", p, err)
			}
		})
	})
}
