package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/baseline"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/watch"
)

const (
	maxAsked       = 64 // addresses
	askPatience    = time.Second
	scrapeEvery    = 2 * time.Second
	scrapePatience = 2 * time.Second
	// scrapeStale is how old what was read may be: more than it ever is of a page that comes. A service that gets no CPU does not
	// answer, just when it matters: then what the scans see is held against the objective.
	scrapeStale = 5 * time.Second
)

// scraper reads the service's own histogram, beside the recording.
type scraper struct {
	series watch.Series
	limit  time.Duration
	url    string
	client *http.Client
	bound  time.Duration // of the bucket that stands for the limit

	mu        sync.Mutex
	histogram watch.Histogram
	all, over int       // that were not taken yet
	last      time.Time // that the page was read
	missed    bool      // what was counted since then, the scans have said
}

// find finds the page of a process that has the histogram. With a URL it is that one; else the addresses are asked that the
// process listens at, as its /debug/pprof/ is found, and no others.
func (s *scraper) find(ctx context.Context, pid int) error {
	s.client = &http.Client{CheckRedirect: noRedirect}
	if s.url != "" {
		return s.read(ctx)
	}
	p, err := proc.Open(pid)
	if err != nil {
		return err
	}
	defer p.Close()
	listening, err := p.Listeners()
	if err != nil {
		return err
	}
	s.client = dialer(pid, listening)
	for _, at := range listening[:min(len(listening), maxAsked)] {
		s.url = "http://" + baseline.Reachable(at).String() + "/metrics"
		asking, cancel := context.WithTimeout(ctx, askPatience)
		err = s.read(asking)
		cancel()
		if err == nil {
			return nil
		}
	}
	none := fmt.Errorf("metrics: none of %d addresses that %d listens at has %s at /metrics (--metrics-url names another)", len(listening),
		pid, &s.series)
	return errors.Join(none, err)
}

// read takes up what the page says now.
func (s *scraper) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, scrapePatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 200)
		return fmt.Errorf("metrics: %s: %s", s.url, resp.Status)
	}
	r, err := s.series.Read(resp.Body, s.limit)
	if err != nil {
		return fmt.Errorf("metrics: %s: %w", s.url, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if all, over := s.histogram.Take(r); !s.missed {
		s.all, s.over = s.all+all, s.over+over
	}
	s.bound, s.last, s.missed = r.Bound, time.Now(), false
	return nil
}

// run reads the page again and again until ctx ends. That it cannot be read is said once.
func (s *scraper) run(ctx context.Context, e *env) {
	said := false
	for sleepContext(ctx, scrapeEvery) {
		if err := s.read(ctx); err != nil && !said && ctx.Err() == nil {
			e.warn("%s: requests are those that scans see meanwhile", oneLine(err.Error()))
			said = true
		}
	}
}

// take returns what was counted since it was called last or, if the page has not been read lately, what the scans saw meanwhile.
func (s *scraper) take(now time.Time, seen watch.Counts) watch.Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.last) > scrapeStale {
		s.missed = true
		return seen
	}
	seen.All, seen.Over = s.all, s.over
	s.all, s.over = 0, 0
	return seen
}
