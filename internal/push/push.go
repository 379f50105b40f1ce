// Package push sends profiles to servers that keep them: any that takes OpenTelemetry's profiles by OTLP, such as its Collector, and
// Pyroscope. It connects to the address that it is given and to no other, and follows no redirect.
package push

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/pprof/profile"
)

// Server is where profiles are sent to.
type Server struct {
	Protocol  Protocol
	URL       *url.URL      // as Endpoint returns it
	Header    http.Header   // of requests, besides what the protocol has; secrets may be in it, and no error has any of it
	Timeout   time.Duration // for one request, all tries together
	UserAgent string
	Transport http.RoundTripper // with HTTP/2, and no other, where the URL's scheme is grpc or grpcs

	wait func(time.Duration) <-chan time.Time // time.After; tests have no time
	most int                                  // mostRequest or mostMessage; tests have less
}

// Encode makes of p what the protocol takes: one request, or as many as it takes for none of OTLP to be larger than the Collector lets
// in. The service is the name of what p is of; "" is what p says itself.
func (s *Server) Encode(p *profile.Profile, service string) (*Profile, error) {
	encode := s.encodeOTLP
	if s.Protocol == Pyroscope {
		encode = encodePyroscope
	}
	encoded, err := encode(p, service)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Protocol, err)
	}
	encoded.Samples, encoded.Types = len(p.Sample), len(p.SampleType)
	for _, r := range encoded.requests {
		encoded.Size += len(r.body)
	}
	return encoded, nil
}

// ByGRPC says whether the server takes profiles by gRPC.
func (s *Server) ByGRPC() bool { return s.URL != nil && grpcSchemes[s.URL.Scheme] != "" }

// Where is the server's address without what may be a secret: user, password and query.
func (s *Server) Where() string {
	return (&url.URL{Scheme: s.URL.Scheme, Host: s.URL.Host, Path: s.URL.Path}).String()
}
