package rpc_test

import (
	"context"
	"fmt"
	"runtime/pprof"

	"google.golang.org/grpc"

	"github.com/mayfly-profiler/mayfly/profiler/labels"
	"github.com/mayfly-profiler/mayfly/profiler/labels/rpc"
)

// A server labels its calls: grpc.NewServer(grpc.ChainUnaryInterceptor(rpc.Unary)).
func ExampleUnary() {
	info := &grpc.UnaryServerInfo{FullMethod: "/orders.v1.Orders/Get"}
	rpc.Unary(context.Background(), nil, info, func(ctx context.Context, _ any) (any, error) {
		endpoint, _ := pprof.Label(ctx, labels.Endpoint)
		fmt.Println(endpoint)
		return nil, nil
	})
	// Output: /orders.v1.Orders/Get
}

// stream is what a server gets of a client that sends nothing.
type stream struct{ grpc.ServerStream }

func (stream) Context() context.Context { return context.Background() }

// And its streams: grpc.ChainStreamInterceptor(rpc.Stream).
func ExampleStream() {
	info := &grpc.StreamServerInfo{FullMethod: "/orders.v1.Orders/Watch"}
	rpc.Stream(nil, stream{}, info, func(_ any, s grpc.ServerStream) error {
		endpoint, _ := pprof.Label(s.Context(), labels.Endpoint)
		fmt.Println(endpoint)
		return nil
	})
	// Output: /orders.v1.Orders/Watch
}
