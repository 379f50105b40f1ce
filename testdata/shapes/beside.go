package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
)

// edge passes requests on.
type edge struct{ proxy *httputil.ReverseProxy }

//go:noinline
func (s *edge) forward(c *gin.Context) { s.proxy.ServeHTTP(c.Writer, c.Request) }

func reverseProxy(e *env, l net.Listener) error {
	to, err := url.Parse("http://" + e.peers["http"])
	run.Check(err)
	s := &edge{&httputil.ReverseProxy{
		Transport: client().Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			ms := 5
			if isLarge(r.In) {
				ms = 250
			}
			r.SetURL(to)
			r.Out.URL.RawQuery = fmt.Sprintf("ms=%d", ms)
		},
	}}
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.GET("/page", s.forward)
	return http.Serve(l, g)
}

// watch writes down all goroutines, of which there are many, now and then: nothing runs meanwhile.
type watch struct{ stacks []byte }

//go:noinline
func (s *watch) dump() int { return runtime.Stack(s.stacks, true) }

func worldStops(e *env) http.HandlerFunc {
	s := &watch{make([]byte, 64<<20)}
	for took := time.Duration(0); took < 100*time.Millisecond; { // a fast CPU has to write more down
		for range 10_000 {
			go func() { select {} }()
		}
		begin := time.Now()
		s.dump()
		took = time.Since(begin)
	}
	go func() {
		for range time.Tick(400 * time.Millisecond) {
			s.dump()
		}
	}()
	items := newReports(e)
	return func(w http.ResponseWriter, r *http.Request) { reply(w, items.item(r.Context())) }
}

// helper is another process, which answers line by line.
type helper struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

//go:noinline
func (s *helper) convert(line string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintln(s.in, line); err != nil {
		return err
	}
	_, err := s.out.ReadString('\n')
	return err
}

func helped(*env) http.HandlerFunc {
	cmd := exec.Command("sh", "-c", "while read line; do sleep 0.03; echo $line; done")
	in, err := cmd.StdinPipe()
	run.Check(err)
	out, err := cmd.StdoutPipe()
	run.Check(err)
	run.Check(cmd.Start())
	s := &helper{in: in, out: bufio.NewReader(out)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, s.convert("page")) }
}

// hedged asks a second time when the first answer is late.
type hedged struct {
	client *http.Client
	e      *env
}

//go:noinline
func (s *hedged) get(ctx context.Context, late bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan error, 2)
	call := func(ms int) {
		_, err := ask(ctx, s.client, s.e.url("http", ms))
		answers <- err
	}
	ms := 5
	if late {
		ms = 2000
	}
	go call(ms)
	again := time.NewTimer(200 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case err := <-answers:
			return err
		case <-again.C:
			go call(5)
		}
	}
}

func hedge(e *env) http.HandlerFunc {
	s := &hedged{client(), e}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, s.get(r.Context(), isLarge(r))) }
}

// nightly is a job of the service's own that computes for a while each second, on all CPUs.
type nightly struct{}

//go:noinline
func (nightly) crunch() { burn(250 * time.Millisecond) }

func jobBeside(e *env) http.HandlerFunc {
	go func() {
		for range time.Tick(time.Second) {
			for range 2 * runtime.GOMAXPROCS(0) {
				go nightly{}.crunch()
			}
		}
	}()
	items := newReports(e)
	return func(w http.ResponseWriter, r *http.Request) { reply(w, items.item(r.Context())) }
}
