package push

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// answering is a server that answers each connection with the same bytes, whatever it is asked.
func answering(t *testing.T, answer string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 1)) // an answer before the request is another error
				_, _ = io.WriteString(c, answer)
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c) // else a reset overtakes the answer
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// Who speaks HTTP to a server of gRPC learns which port is which, and does not try again: that does not pass.
func TestGRPC(t *testing.T) {
	for what, answer := range map[string]string{
		"SETTINGS": "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00", "garbage": "SSH-2.0-x\r\n"} {
		s, pauses := to(t, OTLP, answering(t, answer))
		_, err := send(t, s, hostile.New(1, "k"))
		if err == nil || !strings.HasSuffix(err.Error(), "its answer is none of HTTP/1: "+errGRPC.Error()) || len(*pauses) > 0 {
			t.Errorf("%s: %v, %v", what, err, *pauses)
		}
		s, _ = to(t, Pyroscope, s.URL.Scheme+"://"+s.URL.Host)
		if _, err = send(t, s, hostile.New(1, "k")); err == nil || strings.Contains(err.Error(), "4318") {
			t.Errorf("Pyroscope, %s: %v", what, err)
		}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", grpcType)
		w.Header().Set("Grpc-Message", "invalid gRPC request content-type \"\"")
		w.WriteHeader(http.StatusUnsupportedMediaType)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	s, _ := to(t, OTLP, server.URL)
	s.Transport = server.Client().Transport
	if _, err := send(t, s, hostile.New(1, "k")); err == nil || !strings.HasSuffix(err.Error(),
		`415 Unsupported Media Type: invalid gRPC request content-type "": `+errGRPC.Error()) {
		t.Errorf("%v", err)
	}
}

// gRPC's port is no reason to refuse what works there, and the remedy is for what gets no answer.
func TestGRPCPort(t *testing.T) {
	closed := answering(t, "")
	server, _ := receiver(t, fine, busy(401, ""), fine)
	for i, tt := range []struct {
		at   string
		want string // how the error ends
	}{{server.URL, ""}, {server.URL, "401 Unauthorized"}, {closed, errGRPC.Error()}} {
		s, _ := to(t, OTLP, "http://127.0.0.1:"+grpcPort)
		s.Timeout = 300 * time.Millisecond
		s.Transport = &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(tt.at, "http://"))
		}}
		if _, err := send(t, s, hostile.New(1, "k")); (err == nil) != (tt.want == "") || err != nil && !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
