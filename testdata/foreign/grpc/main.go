// Command grpc is a gRPC server whose own goroutine labels are on (the environment variable
// GRPC_GO_SERVER_GOROUTINE_LABELS=all): grpc-go starts a goroutine for each call and sets the label
// grpc.method on it. The clients are in the same process, over loopback.
package main

import (
	"context"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

type service struct {
	pb.UnimplementedTestServiceServer
	unary, stream *tally.Set
}

func (s *service) UnaryCall(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	defer s.unary.Count(time.Now())
	return &pb.SimpleResponse{Payload: &pb.Payload{Body: tally.Work(time.Millisecond)}}, nil
}

func (s *service) StreamingOutputCall(_ *pb.StreamingOutputCallRequest, out pb.TestService_StreamingOutputCallServer) error {
	defer s.stream.Count(time.Now())
	for range 4 {
		if err := out.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: tally.Work(2 * time.Millisecond)}}); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	t := tally.New()
	s := &service{
		unary:  t.Set("main.(*service).UnaryCall", "grpc.method", "/grpc.testing.TestService/UnaryCall"),
		stream: t.Set("main.(*service).StreamingOutputCall", "grpc.method", "/grpc.testing.TestService/StreamingOutputCall"),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	server := grpc.NewServer()
	pb.RegisterTestServiceServer(server, s)
	go server.Serve(l)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	run.Check(err)
	client := pb.NewTestServiceClient(conn)
	for range 8 {
		go loop(func(ctx context.Context) error {
			_, err := client.UnaryCall(ctx, &pb.SimpleRequest{})
			return err
		})
	}
	for range 2 {
		go loop(func(ctx context.Context) error { return drain(ctx, client) })
	}
	t.Run()
}

func loop(call func(context.Context) error) {
	for !run.Stopped() {
		run.Check(call(context.Background()))
		time.Sleep(10 * time.Millisecond)
	}
}

func drain(ctx context.Context, client pb.TestServiceClient) error {
	in, err := client.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{})
	for err == nil {
		_, err = in.Recv()
	}
	if err == io.EOF {
		return nil
	}
	return err
}
