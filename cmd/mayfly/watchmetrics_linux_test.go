package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/watch"
)

// scraperFor is the scraper of this process, or its error.
func scraperFor(t *testing.T, series, url string) (*scraper, error) {
	t.Helper()
	of, err := watch.ParseSeries(series)
	if err != nil {
		t.Fatal(err)
	}
	s := &scraper{pid: os.Getpid(), series: of, limit: 800 * time.Millisecond, url: url}
	return s, s.begin(t.Context())
}

// The histogram of a process is found at the addresses that it listens at, and what is counted from then on is taken once.
func TestScraper(t *testing.T) {
	var all atomic.Int64
	all.Store(100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			n := all.Load()
			fmt.Fprintf(w, "took_seconds_bucket{le=\"1\"} %d\ntook_seconds_bucket{le=\"+Inf\"} %d\n", n/2, n)
		}
	}))
	defer s.Close()
	x, err := scraperFor(t, "took_seconds", "")
	if err != nil || x.url != s.URL+"/metrics" || x.bound != time.Second {
		t.Fatalf("%+v, %v, want %s", x, err, s.URL)
	}
	more := func(n int64) {
		all.Add(n)
		if err := x.read(t.Context(), x.url); err != nil {
			t.Fatal(err)
		}
	}
	now, seen := time.Now(), watch.Counts{At: time.Unix(7, 0), All: 7, Over: 3}
	check := func(what string, now time.Time, want watch.Counts) {
		want.At = seen.At
		if got := x.take(now, seen); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	check("the first reading", now, watch.Counts{})
	more(20)
	check("20 more", now, watch.Counts{All: 20, Over: 10})
	check("nothing", now, watch.Counts{})
	check("the page was not read for a minute", now.Add(time.Minute), seen)
	more(40)
	check("what came meanwhile, the scans have said", time.Now(), watch.Counts{})
	more(2)
	check("2 more", time.Now(), watch.Counts{All: 2, Over: 1})
	if x, err := scraperFor(t, "none_seconds", ""); err == nil || !strings.Contains(err.Error(), "no histogram none_seconds") {
		t.Errorf("%+v, %v", x, err)
	}
}

// A page leads nowhere else, and is not waited for without end.
func TestScraperLeadsNowhere(t *testing.T) {
	var hits atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/hangs":
			<-r.Context().Done()
		case "/elsewhere":
			hits.Add(1)
		}
	}))
	defer s.Close()
	for path, want := range map[string]string{"/away": "302", "/hangs": "deadline", "/none": "no histogram"} {
		begin := time.Now()
		url := strings.Replace(s.URL, "http://", "http://me:secret@", 1) + path
		if _, err := scraperFor(t, "took_seconds", url); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if took := time.Since(begin); took > patience {
			t.Errorf("%s took %v", path, took)
		}
	}
	if hits.Load() != 0 {
		t.Error("a redirect was followed")
	}
}
