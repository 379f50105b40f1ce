package push

import (
	"context"
	"errors"
	"fmt"
)

// grpcPort is where receivers of OTLP take gRPC by default (OTLP Specification 1.10, "OTLP/gRPC Default Port"); of HTTP it is 4318.
const grpcPort = "4317"

// grpcType is the media type of what gRPC answers, also to who does not speak it (gRPC over HTTP/2, "Responses").
const grpcType = "application/grpc"

var errGRPC = errors.New("port 4317 is gRPC's, OTLP over HTTP has 4318")

// remedied is an error of a request with what helps where the server speaks gRPC: its answer is of gRPC or none of HTTP/1, or there is
// none at its port.
func (s *Server) remedied(err error) error {
	var refused *refusal
	byGRPC := errors.Is(err, errNoHTTP) || errors.As(err, &refused) && refused.grpc
	silent := s.URL.Port() == grpcPort && mayPass(err) && !errors.As(err, &refused) && !errors.Is(err, context.Canceled)
	if s.Protocol == OTLP && (byGRPC || silent) {
		return fmt.Errorf("%w: %w", err, errGRPC)
	}
	return err
}
