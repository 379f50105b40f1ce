package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
	"github.com/mayfly-profiler/mayfly/testdata/shapes/world"
)

// env is what a service finds when it starts.
type env struct {
	addr  string            // its own
	peers map[string]string // what it can call (world.Upstreams)
	parts []*process        // of the world; a pipe that nobody refers to is closed
}

// process is another part of the world. It ends with this one: its standard input closes then.
type process struct {
	in  io.Closer
	out *json.Decoder
}

// start starts a part of the world and decodes the line that it begins with into v.
func (e *env) start(be string, v any, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{"-be", be}, args...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if v == nil {
		v = &struct{}{}
	}
	p := &process{in, json.NewDecoder(out)}
	e.parts = append(e.parts, p)
	if err := p.out.Decode(v); err != nil {
		return nil, fmt.Errorf("shapes: %s: %w", be, err)
	}
	return p, nil
}

// clients starts the load.
func (e *env) clients(l world.Load) *process {
	switch {
	case l.GRPC:
		l.URL = e.addr
	case l.HTTP2:
		l.URL = "https://" + e.addr
	default:
		l.URL = "http://" + e.addr
	}
	b, err := json.Marshal(l)
	run.Check(err)
	p, err := e.start("clients", nil, "-load", string(b))
	run.Check(err)
	return p
}

// answers ends the clients and returns what they got.
func (p *process) answers() (a []world.Answer, err error) {
	p.in.Close()
	return a, p.out.Decode(&a)
}

// handle is a service of net/http's server.
func handle(handler func(*env) http.Handler) func(*env, net.Listener) error {
	return func(e *env, l net.Listener) error { return http.Serve(l, handler(e)) }
}

// route is a service with one route.
func route(pattern string, handler func(*env) http.HandlerFunc) func(*env, net.Listener) error {
	return handle(func(e *env) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc(pattern, handler(e))
		return mux
	})
}

// ask calls an upstream and reads what it says.
func ask(ctx context.Context, c *http.Client, url string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// url is where an upstream waits that long and then answers.
func (e *env) url(peer string, ms int) string {
	switch peer {
	case "http":
		return fmt.Sprintf("http://%s/?ms=%d", e.peers[peer], ms)
	case "unix":
		return fmt.Sprintf("http://unix/?ms=%d", ms)
	}
	return fmt.Sprintf("https://%s/?ms=%d", e.peers[peer], ms)
}

// client keeps as many connections as it has had calls at once.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
}

// reply ends a request, with an error if there is one.
func reply(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintln(w, "done")
}
