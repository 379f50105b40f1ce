package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// What helps where a server does not speak what it is spoken to, or does not take profiles.
var (
	errGRPC    = errors.New("port 4317 is gRPC's: grpc://HOST:4317, or http://HOST:4318")
	errHTTP    = errors.New("is that the port of gRPC (4317)? OTLP over HTTP is http://HOST:4318")
	errNoTaker = errors.New("does it take profiles? OpenTelemetry's Collector does with --feature-gates=service.profilesSupport and a " +
		"pipeline of profiles")
)

// remedied is an error of a request of OTLP with what helps.
func (s *Server) remedied(err error) error {
	var refused *refusal
	answered := errors.As(err, &refused)
	switch {
	case err == nil || s.Protocol != OTLP:
		return err
	case s.ByGRPC() && (errors.Is(err, errNoGRPC) || errors.Is(err, errHTTP1)):
		return fmt.Errorf("%w: %w", err, errHTTP)
	case !s.ByGRPC() && s.speaksGRPC(err):
		return fmt.Errorf("%w: %w", err, errGRPC)
	case answered && refused.code == http.StatusNotFound:
		return fmt.Errorf("%w: %w", err, errNoTaker)
	}
	return err
}

// speaksGRPC says whether the server of a request over HTTP seems to: its answer is of gRPC or none of HTTP/1, or there is none at its
// port.
func (s *Server) speaksGRPC(err error) bool {
	var refused *refusal
	answered := errors.As(err, &refused)
	silent := s.URL.Port() == grpcPort && mayPass(err) && !answered && !errors.Is(err, context.Canceled)
	return errors.Is(err, errNoHTTP) || answered && refused.grpc || silent
}
