package main

import (
	"context"
	"crypto/tls"
	"iter"
	"net"
	"net/http"
	"time"
)

// weather is asked of an upstream that is slow for one town in twenty.
type weather struct {
	client *http.Client
	e      *env
	peer   string
}

//go:noinline
func (s *weather) forecast(ctx context.Context, large bool) error {
	ms := 5
	if large {
		ms = 250
	}
	_, err := ask(ctx, s.client, s.e.url(s.peer, ms))
	return err
}

func (s *weather) handle(w http.ResponseWriter, r *http.Request) {
	reply(w, s.forecast(r.Context(), isLarge(r)))
}

func slowUpstream(e *env) http.HandlerFunc { return (&weather{client(), e, "http"}).handle }

// stoppable has some requests open at any time.
func stoppable(e *env) http.HandlerFunc {
	q := &quotes{client(), e.url("http", 60)}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, q.get(r.Context())) }
}

var anyone = &tls.Config{InsecureSkipVerify: true} // the upstreams sign for themselves

func http2Client(e *env) http.HandlerFunc {
	t := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: anyone}
	return (&weather{&http.Client{Transport: t}, e, "https"}).handle
}

// partner is called on a new connection each time, if the request is large.
type partner struct {
	fresh, kept *http.Client
	url, quick  string
}

//go:noinline
func (p *partner) call(ctx context.Context, large bool) error {
	c, url := p.kept, p.quick
	if large {
		c, url = p.fresh, p.url
	}
	_, err := ask(ctx, c, url)
	return err
}

func (p *partner) handle(w http.ResponseWriter, r *http.Request) {
	reply(w, p.call(r.Context(), isLarge(r)))
}

func slowTLS(e *env) http.HandlerFunc {
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: anyone}}
	return (&partner{fresh, client(), e.url("tls", 2), e.url("http", 2)}).handle
}

// slowDial gives up the connection after 300 ms.
func slowDial(e *env) http.HandlerFunc {
	d := &net.Dialer{Timeout: 300 * time.Millisecond}
	fresh := &http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
	return (&partner{fresh, client(), "http://" + e.peers["full"] + "/", e.url("http", 2)}).handle
}

func slowDNS(e *env) http.HandlerFunc {
	d := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", e.peers["dns"])
	}}}
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: d.DialContext}}
	_, port, _ := net.SplitHostPort(e.peers["http"])
	return (&partner{fresh, client(), "http://partner.example.:" + port + "/?ms=2", e.url("http", 2)}).handle
}

// archive hands out pages one by one, by a coroutine.
type archive struct {
	client *http.Client
	e      *env
}

func (a *archive) pages(ctx context.Context, large bool) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for page := range 4 {
			if !yield(page, a.load(ctx, large && page == 2)) {
				return
			}
		}
	}
}

//go:noinline
func (a *archive) load(ctx context.Context, late bool) error {
	ms := 3
	if late {
		ms = 250
	}
	_, err := ask(ctx, a.client, a.e.url("http", ms))
	return err
}

func iterPull(e *env) http.HandlerFunc {
	a := &archive{client(), e}
	return func(w http.ResponseWriter, r *http.Request) {
		next, stop := iter.Pull2(a.pages(r.Context(), isLarge(r)))
		defer stop()
		for {
			_, err, ok := next()
			if !ok || err != nil {
				reply(w, err)
				return
			}
		}
	}
}
