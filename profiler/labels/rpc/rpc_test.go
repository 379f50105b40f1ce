package rpc

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"regexp"
	"runtime/pprof"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/mayfly-profiler/mayfly/profiler/labels"
)

// seen is what a handler finds out about its labels.
type seen struct {
	endpoint, request string // of its context
	goroutines        string // the labels of all goroutines, as the runtime has them
}

// health is the service that grpc brings with it, with handlers that look at their labels.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	seen chan seen
}

func (h *health) Check(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	h.check(ctx)
	if r.Service == "unknown" {
		return nil, status.Error(codes.NotFound, "no such service")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func (h *health) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	h.check(s.Context())
	return s.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING})
}

// check asks the context and, with a child that knows nothing of the context, the runtime.
func (h *health) check(ctx context.Context) {
	var s seen
	s.endpoint, _ = pprof.Label(ctx, labels.Endpoint)
	s.request, _ = pprof.Label(ctx, labels.Request)
	waits, end := make(chan bool), make(chan bool)
	go child(waits, end)
	<-waits
	var b bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&b, 1)
	close(end)
	s.goroutines = b.String()
	h.seen <- s
}

//go:noinline
func child(waits, end chan bool) {
	waits <- true
	<-end
}

// labelsOf are those of the goroutine that has the function on its stack.
func labelsOf(t *testing.T, goroutines, function string) string {
	t.Helper()
	for stack := range strings.SplitSeq(goroutines, "\n\n") {
		if strings.Contains(stack, function+"+") {
			m := regexp.MustCompile(`(?m)^# labels: (.*)$`).FindStringSubmatch(stack)
			if m == nil {
				return ""
			}
			return m[1]
		}
	}
	t.Errorf("no goroutine in %s\n%s", function, goroutines)
	return ""
}

// serve starts a real server and returns a client of it.
func serve(t *testing.T, h *health) grpc_health_v1.HealthClient {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	s := grpc.NewServer(grpc.ChainUnaryInterceptor(Unary), grpc.ChainStreamInterceptor(Stream))
	grpc_health_v1.RegisterHealthServer(s, h)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	c, err := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return grpc_health_v1.NewHealthClient(c)
}

// Calls and streams have labels in their context, on their goroutine, and on the goroutines that
// they start; the next call on the same connection has its own.
func TestInterceptors(t *testing.T) {
	h := &health{seen: make(chan seen, 1)}
	client := serve(t, h)
	unary := func(ctx context.Context) error {
		_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err
	}
	stream := func(ctx context.Context) error {
		s, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err == nil {
			_, err = s.Recv()
		}
		return err
	}
	for _, tt := range []struct {
		call       func(context.Context) error
		method, id string
		kept       bool
	}{
		{unary, "/grpc.health.v1.Health/Check", "req-1", true},
		{stream, "/grpc.health.v1.Health/Watch", "req-2", true},
		{unary, "/grpc.health.v1.Health/Check", "", false},
		{stream, "/grpc.health.v1.Health/Watch", "", false},
		{unary, "/grpc.health.v1.Health/Check", "two words", false},
		{stream, "/grpc.health.v1.Health/Watch", strings.Repeat("x", 65), false},
	} {
		ctx := t.Context()
		if tt.id != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-request-id", tt.id)
		}
		if err := tt.call(ctx); err != nil {
			t.Fatalf("%s: %v", tt.method, err)
		}
		got := <-h.seen
		if got.endpoint != tt.method || got.request == "" || (got.request == tt.id) != tt.kept {
			t.Errorf("%s, id %q: endpoint %q, request %q", tt.method, tt.id, got.endpoint, got.request)
		}
		want := fmt.Sprintf("{%q:%q, %q:%q}", labels.Endpoint, tt.method, labels.Request, got.request)
		for _, function := range []string{"labels/rpc.(*health).check", "labels/rpc.child"} {
			if have := labelsOf(t, got.goroutines, function); have != want {
				t.Errorf("%s: goroutine in %s has %s, want %s", tt.method, function, have, want)
			}
		}
	}
}

// A handler's error is the call's.
func TestErrorsPass(t *testing.T) {
	h := &health{seen: make(chan seen, 1)}
	client := serve(t, h)
	_, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "unknown"})
	<-h.seen
	if status.Code(err) != codes.NotFound {
		t.Errorf("%v, want NotFound", err)
	}
}
