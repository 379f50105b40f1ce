package main

import (
	"context"
	"net/http"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
)

// search asks another service by gRPC.
type search struct{ client grpc_health_v1.HealthClient }

//go:noinline
func (s *search) query(ctx context.Context, ms int) error {
	_, err := s.client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: strconv.Itoa(ms)})
	return err
}

func newSearch(e *env, peer string) *search {
	conn, err := grpc.NewClient(e.peers[peer], grpc.WithTransportCredentials(insecure.NewCredentials()))
	run.Check(err)
	return &search{grpc_health_v1.NewHealthClient(conn)}
}

func grpcClient(e *env) http.HandlerFunc {
	s := newSearch(e, "grpc")
	return func(w http.ResponseWriter, r *http.Request) {
		ms := 5
		if isLarge(r) {
			ms = 250
		}
		reply(w, s.query(r.Context(), ms))
	}
}

// grpcQuota asks a service that answers two questions at once on a connection.
func grpcQuota(e *env) http.HandlerFunc {
	s := newSearch(e, "grpc2")
	return func(w http.ResponseWriter, r *http.Request) { reply(w, s.query(r.Context(), 50)) }
}
