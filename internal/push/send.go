package push

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// Between two tries there is a pause, twice as long each time.
const (
	firstPause   = time.Second
	longestPause = 15 * time.Second
)

// silences is how many tries there is time for where a server takes the connection and says nothing.
const silences = 3

// Result is what a server said of a profile that it took, all requests together.
type Result struct {
	Tries    int
	Arrived  int    // requests that it answered with a success
	Samples  int    // that were in them
	Rejected int64  // profiles that it did not take; of OTLP, where each sample type of a request is one
	Message  string // what it says to that, or a warning: one line that can be printed
}

// Send sends a profile, one request after the other. With the first that fails it ends, and the result says what had arrived by then.
//
// Where there is no connection or no answer, and where the server says that it is busy (429, 502, 503, 504), it tries again as long as
// there is time, after a pause of the length that the server asks for. All else is an error at once. Who was sent a request and did not
// get to say so is sent it again.
func (s *Server) Send(ctx context.Context, p *Profile) (all Result, err error) {
	for i, request := range p.requests {
		r, err := s.sendRequest(ctx, p, request.body)
		all.Tries += r.Tries
		if err != nil && len(p.requests) > 1 {
			err = fmt.Errorf("request %d of %d, %d samples have arrived: %w", i+1, len(p.requests), all.Samples, err)
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", s.Where(), err)
		}
		all.Arrived++
		all.Samples += request.samples
		all.Rejected += r.Rejected
		all.Message = cmp.Or(all.Message, r.Message)
	}
	return all, nil
}

// sendRequest sends a request until it arrives, or there is no time.
func (s *Server) sendRequest(ctx context.Context, p *Profile, body []byte) (r Result, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, errSilent)
	defer cancel()
	for n := 1; ; n++ {
		r, err = s.try(ctx, p, body)
		r.Tries = n
		if err == nil || !mayPass(err) || !s.pause(ctx, pauseAfter(err, n)) {
			break
		}
	}
	if err = s.remedied(err); err != nil && r.Tries > 1 {
		err = fmt.Errorf("tried %d times: %w", r.Tries, err)
	}
	return r, err
}

// pause waits, and says whether there is time for another try then.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	if until, _ := ctx.Deadline(); time.Until(until) <= d {
		return false
	}
	wait := s.wait
	if wait == nil {
		wait = time.After
	}
	select {
	case <-wait(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// pauseAfter is for how long to wait after the n-th try: as long as the server asks for and half a second at least, else twice as long
// as before, less up to half of it at random, lest many who were refused together come back together.
func pauseAfter(err error, n int) time.Duration {
	var refused *refusal
	if errors.As(err, &refused) && refused.asks {
		return max(refused.after, firstPause/2)
	}
	pause := min(firstPause<<min(n-1, 10), longestPause)
	return pause - rand.N(pause/2)
}

// try sends a request once.
func (s *Server) try(ctx context.Context, p *Profile, body []byte) (r Result, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout/silences, errSilent)
	defer cancel()
	answer, err := s.exchange(ctx, p, body)
	if err == nil && s.Protocol == OTLP {
		r.Rejected, r.Message, err = readPartial(answer)
		r.Message = said(r.Message)
	}
	return r, err
}

func (s *Server) exchange(ctx context.Context, p *Profile, body []byte) ([]byte, error) {
	if s.ByGRPC() {
		to := &url.URL{Scheme: grpcSchemes[s.URL.Scheme], User: s.URL.User, Host: s.URL.Host, Path: method}
		call := &Call{URL: to, Header: s.header(), Message: body, Gzip: true}
		return call.Do(ctx, s.Transport, mostAnswer)
	}
	req, err := s.request(ctx, p, body)
	if err != nil {
		return nil, err
	}
	_, answer, err := Exchange(s.Transport, req, mostAnswer)
	return answer, err
}

func (s *Server) request(ctx context.Context, p *Profile, body []byte) (*http.Request, error) {
	to := *s.URL
	query := to.Query()
	maps.Copy(query, p.query)
	to.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header = s.header()
	return req, nil
}

// header is what each request has.
func (s *Server) header() http.Header {
	h := make(http.Header)
	h.Set("User-Agent", s.UserAgent)
	maps.Copy(h, s.Header)
	switch {
	case s.ByGRPC():
		h.Set(versionHeader, version)
	case s.Protocol == OTLP:
		maps.Copy(h, otlpHeader)
	default:
		maps.Copy(h, pyroscopeHeader)
	}
	return h
}
