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
	findEvery      = 30 * time.Second // a process that is one of several may have no such page, or not yet
	scrapeEvery    = 2 * time.Second
	scrapePatience = 2 * time.Second
	// scrapeStale is how old what was read may be: more than it ever is of a page that comes. A service that gets no CPU does not
	// answer, just when it matters: then what the scans see is held against the objective.
	scrapeStale = 5 * time.Second
)

// scraper reads the service's own histogram, beside the recording.
type scraper struct {
	pid    int
	series watch.Series
	limit  time.Duration
	url    string // "": it is not found yet
	page   string // the same without a password
	client *http.Client
	bound  time.Duration // of the bucket that stands for the limit

	mu        sync.Mutex
	histogram watch.Histogram
	all, over int       // that were not taken yet
	last      time.Time // that the page was read
	missed    bool      // what was counted since then, the scans have said
}

// scrape has the histogram of the process read from now on. That the only process has none is an error.
func (x *watcher) scrape(ctx context.Context) error {
	f := x.flags
	s := &scraper{pid: x.pid, series: f.series, limit: f.objective.SLO.Limit, url: f.metricsURL}
	if !f.several() {
		if err := s.begin(ctx); err != nil {
			return err
		}
		s.tell(x)
	}
	x.scraper = s
	ctx, x.stop = context.WithCancel(ctx)
	go s.run(ctx, x)
	return nil
}

// begin reads the page for the first time: that of the URL, or the one that is found.
func (s *scraper) begin(ctx context.Context) error {
	if s.url == "" {
		return s.find(ctx)
	}
	s.client = &http.Client{CheckRedirect: noRedirect}
	return s.read(ctx, s.url)
}

// find finds the page of a process that has the histogram: the addresses are asked that it listens at, as its /debug/pprof/ is found,
// and no others.
func (s *scraper) find(ctx context.Context) error {
	p, err := proc.Open(s.pid)
	if err != nil {
		return err
	}
	defer p.Close()
	listening, err := p.Listeners()
	if err != nil {
		return err
	}
	s.client = dialer(s.pid, listening)
	for _, at := range listening[:min(len(listening), maxAsked)] {
		url := "http://" + baseline.Reachable(at).String() + "/metrics"
		asking, cancel := context.WithTimeout(ctx, askPatience)
		err = s.read(asking, url)
		cancel()
		if err == nil {
			s.url = url
			return nil
		}
	}
	none := fmt.Errorf("metrics: none of %d addresses that %d listens at has %s at /metrics (--metrics-url names another)", len(listening),
		s.pid, &s.series)
	return errors.Join(none, err)
}

// tell says what is counted.
func (s *scraper) tell(x *watcher) {
	x.env.say("%s: latencies from %s: over %s is too slow", x.title(), s.page, s.bound)
}

// read takes up what a page says now.
func (s *scraper) read(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, scrapePatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
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
		return fmt.Errorf("metrics: %s: %s", req.URL.Redacted(), resp.Status)
	}
	r, err := s.series.Read(resp.Body, s.limit)
	if err != nil {
		return fmt.Errorf("metrics: %s: %w", req.URL.Redacted(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if all, over := s.histogram.Take(r); !s.missed {
		s.all, s.over = s.all+all, s.over+over
	}
	s.bound, s.last, s.missed, s.page = r.Bound, time.Now(), false, req.URL.Redacted()
	return nil
}

// run finds the page if it is not found yet, and reads it again and again until ctx ends. That this fails is said once.
func (s *scraper) run(ctx context.Context, x *watcher) {
	said := false
	for wait := scrapeEvery; sleepContext(ctx, wait); wait = scrapeEvery {
		var err error
		if found := s.url != ""; found {
			err = s.read(ctx, s.url)
		} else if err = s.find(ctx); err == nil {
			s.tell(x)
		} else {
			wait = findEvery
		}
		if err != nil && !said && ctx.Err() == nil {
			x.env.warn("%s: %s: requests are those that scans see meanwhile", x.title(), oneLine(err.Error()))
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
