package push

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	profiles "go.opentelemetry.io/proto/otlp/profiles/v1development"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// bounding is a server that refuses requests as the Collector does: those with more bytes than that when they are decompressed.
func bounding(t *testing.T, most int64) (s *Server, got *[]asked) {
	t.Helper()
	server, got := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body := (*got)[len(*got)-1].body
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		if n, _ := io.Copy(io.Discard, z); n > most {
			busy(http.StatusRequestEntityTooLarge, "")(w, r)
			return
		}
		fine(w, r)
	})
	s, _ = to(t, OTLP, server.URL)
	s.most = int(most)
	return s, got
}

// What is too large for one request arrives in several, each of which can be read by itself, and nothing is in two of them.
func TestSplit(t *testing.T) {
	all := hostile.Others()
	all["a timeline"] = hostile.New(500, "request")
	for name, p := range all {
		s, got := bounding(t, 8<<10)
		encoded, err := s.Encode(p, "")
		if err != nil {
			t.Fatal(err)
		}
		whole, split := encoded.Requests() == 1, name == "a timeline"
		r, err := s.Send(t.Context(), encoded)
		if split && (err != nil || whole) {
			t.Errorf("%s: %d requests, %+v, %v", name, encoded.Requests(), r, err)
		}
		if err != nil {
			continue // one sample is too large
		}
		if r.Arrived != encoded.Requests() || r.Samples != len(p.Sample) || r.Tries != len(*got) {
			t.Errorf("%s: %+v, %d requests", name, r, len(*got))
		}
		total := make([]int64, len(p.SampleType))
		for _, a := range *got {
			d := decode(t, a.body)
			check(t, d)
			for c, v := range otlpSums(d, p) {
				total[c] += v
			}
		}
		if !slices.Equal(total, sums(p)) {
			t.Errorf("%s: %v, want %v", name, total, sums(p))
		}
	}
}

// check sees that a request has in its own tables what its samples name.
func check(t *testing.T, d *profiles.ProfilesData) {
	t.Helper()
	x := d.Dictionary
	for _, p := range d.ResourceProfiles[0].ScopeProfiles[0].Profiles {
		for _, s := range p.Samples {
			for _, l := range x.StackTable[s.StackIndex].LocationIndices {
				_ = x.LocationTable[l]
			}
			for _, a := range s.AttributeIndices {
				_ = x.StringTable[x.AttributeTable[a].KeyStrindex]
			}
		}
	}
	if len(d.ResourceProfiles[0].Resource.Attributes) == 0 {
		t.Error("a request does not say whose it is")
	}
}

// What cannot be made smaller is sent as it is: one sample, or what each request would have to repeat.
func TestSplitEndsAtSamples(t *testing.T) {
	large := hostile.New(2, "request")
	for _, s := range large.Sample {
		s.Label["request"] = []string{strings.Repeat("x", 20<<10)}
	}
	comments := hostile.New(50, "request")
	comments.Comments = []string{strings.Repeat("x", 6<<10)}
	for _, tt := range []struct {
		p    *profile.Profile
		want int
	}{{large, 2}, {comments, 1}, {&profile.Profile{SampleType: large.SampleType}, 1}} {
		s := &Server{Protocol: OTLP, most: 8 << 10}
		if encoded, err := s.Encode(tt.p, ""); err != nil || encoded.Requests() != tt.want {
			t.Errorf("%d samples: %v, %v", len(tt.p.Sample), encoded, err)
		}
	}
}

// Where one of several requests fails the error says which, and how much has arrived; what was not taken is summed up.
func TestSplitFails(t *testing.T) {
	partial := func(w http.ResponseWriter, r *http.Request) {
		fine(w, r)
		_, _ = w.Write(response(2, "no"))
	}
	server, got := receiver(t, partial, partial, busy(http.StatusBadRequest, ""))
	s, _ := to(t, OTLP, server.URL)
	s.most = 8 << 10
	encoded, err := s.Encode(hostile.New(500, "request"), "")
	if err != nil || encoded.Requests() < 3 {
		t.Fatalf("%d requests, %v", encoded.Requests(), err)
	}
	r, err := s.Send(t.Context(), encoded)
	first := encoded.requests[0].samples + encoded.requests[1].samples
	want := fmt.Sprintf("%s: request 3 of %d, %d samples have arrived: 400 Bad Request", s.Where(), encoded.Requests(), first)
	if err == nil || err.Error() != want || r != (Result{Tries: 3, Arrived: 2, Samples: first, Rejected: 4, Message: "no"}) || len(*got) != 3 {
		t.Errorf("%+v, %v, want %s", r, err, want)
	}
}
