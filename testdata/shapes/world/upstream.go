package world

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Upstreams are what the service can call, by name, each on an address of its own.
//
//	http   answers after as many ms as the query says (?ms=50), with the status of it (?status=503)
//	https  the same over TLS, HTTP/2 included
//	redis  takes 30 ms for each command
//	unix   as http, on a unix socket
//	tls    as https, but shakes hands after 250 ms each time
//	grpc   health checks; the name of the service is how many ms the answer takes
//	grpc2  the same, two at a time on a connection
//	dns    knows all names, after 250 ms
//	full   takes no connection: its backlog is full
func Upstreams() (addrs map[string]string, err error) {
	addrs = map[string]string{}
	cert, err := Certificate()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
	answer := http.HandlerFunc(answer)
	for name, serve := range map[string]func(net.Listener) error{
		"http": func(l net.Listener) error { return http.Serve(l, answer) },
		"https": func(l net.Listener) error {
			return (&http.Server{Handler: answer, TLSConfig: config}).ServeTLS(l, "", "")
		},
		"redis": redis,
		"unix":  func(l net.Listener) error { return http.Serve(l, answer) },
		"tls":   func(l net.Listener) error { return http.Serve(&reluctant{l, config}, answer) },
		"grpc":  func(l net.Listener) error { return health(l) },
		"grpc2": func(l net.Listener) error { return health(l, grpc.MaxConcurrentStreams(2)) },
	} {
		l, err := listen(name)
		if err != nil {
			return nil, err
		}
		addrs[name] = l.Addr().String()
		go serve(l)
	}
	if addrs["dns"], err = names(); err != nil {
		return nil, err
	}
	addrs["full"], err = full()
	return addrs, err
}

func listen(name string) (net.Listener, error) {
	if name == "unix" {
		return net.Listen("unix", fmt.Sprintf("@mayfly-shapes-%d", os.Getpid()))
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

func answer(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	ms, _ := strconv.Atoi(r.FormValue("ms"))
	select {
	case <-r.Context().Done():
	case <-time.After(time.Duration(ms) * time.Millisecond):
	}
	if status, err := strconv.Atoi(r.FormValue("status")); err == nil {
		w.WriteHeader(status)
	}
	fmt.Fprintf(w, "after %d ms\n", ms)
}

// Certificate is one for whoever does not look at it.
func Certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(crand.Reader, c, c, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// reluctant shakes hands late.
type reluctant struct {
	net.Listener
	config *tls.Config
}

func (r *reluctant) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(&late{Conn: c}, r.config), nil
}

type late struct {
	net.Conn
	read bool
}

func (l *late) Read(b []byte) (int, error) {
	if !l.read {
		l.read = true
		time.Sleep(250 * time.Millisecond)
	}
	return l.Conn.Read(b)
}

type doctor struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (doctor) Check(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	ms, err := strconv.Atoi(r.Service)
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, err
}

func health(l net.Listener, o ...grpc.ServerOption) error {
	s := grpc.NewServer(o...)
	grpc_health_v1.RegisterHealthServer(s, doctor{})
	return s.Serve(l)
}

// names answers each question for an A record with loopback.
func names() (addr string, err error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		for buf := make([]byte, 1500); ; {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			time.AfterFunc(250*time.Millisecond, func() { c.WriteTo(resolve(m), from) })
		}
	}()
	return c.LocalAddr().String(), nil
}

func resolve(m dnsmessage.Message) []byte {
	q := m.Questions[0]
	m.Header.Response, m.Header.RecursionAvailable = true, true
	m.Additionals = nil
	if q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// full listens, and has as many connections as it lets wait.
func full() (addr string, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	if err := unix.Listen(fd, 0); err != nil {
		return "", err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return "", err
	}
	addr = fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)
	for err == nil { // one more than the backlog
		_, err = net.DialTimeout("tcp", addr, 100*time.Millisecond)
	}
	return addr, nil
}
