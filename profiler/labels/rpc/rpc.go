// Package rpc is package labels for gRPC: interceptors that give the goroutine which serves a call the
// labels endpoint, the call's full method, and request, its id. Goroutines that a handler starts inherit
// them.
//
//	grpc.NewServer(grpc.ChainUnaryInterceptor(rpc.Unary), grpc.ChainStreamInterceptor(rpc.Stream))
//
// It is a module of its own, so that nobody gets google.golang.org/grpc, or another version of it, for a profiler.
package rpc

import (
	"context"
	"runtime/pprof"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/mayfly-profiler/mayfly/profiler/labels"
)

var (
	_ grpc.UnaryServerInterceptor  = Unary
	_ grpc.StreamServerInterceptor = Stream
)

// Unary serves as next does, with labels. The endpoint is the registered method, "/orders.v1.Orders/Get".
// The id is that of the metadata x-request-id if there is a good one, else a random number.
func Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	pprof.Do(ctx, set(ctx, info.FullMethod), func(ctx context.Context) { answer, err = next(ctx, req) })
	return answer, err
}

// Stream is Unary for streams: the labels last as long as the stream does, and its context has them. In
// a server with grpc.UnknownServiceHandler the method of an unknown service is what the client says.
func Stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	pprof.Do(s.Context(), set(s.Context(), info.FullMethod), func(ctx context.Context) {
		err = next(srv, &labelled{s, ctx})
	})
	return err
}

// labelled is a stream with another context.
type labelled struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *labelled) Context() context.Context { return s.ctx }

func set(ctx context.Context, method string) pprof.LabelSet {
	id := ""
	if ids := metadata.ValueFromIncomingContext(ctx, labels.Header); len(ids) > 0 {
		id = ids[0]
	}
	return labels.Set(method, id)
}
