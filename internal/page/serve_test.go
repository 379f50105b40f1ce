package page

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
)

// served is a server of a page.
func served(t *testing.T) *httptest.Server {
	t.Helper()
	p := example()
	b := New(Options{Title: "served"})
	if err := b.Add(p, slices.Values(p.Sample)); err != nil {
		t.Fatal(err)
	}
	handler, err := b.Handler()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// TestHosts: a page of somebody else whose name leads to this machine gets nothing.
func TestHosts(t *testing.T) {
	server := served(t)
	for host, want := range map[string]int{"": http.StatusOK, "localhost:8080": http.StatusOK, "[::1]:80": http.StatusOK, "[::1]": http.StatusOK,
		"evil.example": http.StatusForbidden, "evil.example:80": http.StatusForbidden, "localhost.evil.example": http.StatusForbidden,
		"10.0.0.1": http.StatusForbidden, "127.0.0.1.evil.example:80": http.StatusForbidden, "localhost@evil.example": http.StatusForbidden} {
		for _, path := range []string{"/", "/data"} {
			r, err := http.NewRequest("GET", server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if host != "" {
				r.Host = host
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != want {
				t.Errorf("%s of host %q: %s, want %d", path, host, answer.Status, want)
			}
		}
	}
}

// TestServedPage: the page gets its data from where it comes from.
func TestServedPage(t *testing.T) {
	ctx, _ := chrome.Start(t)
	var got []string
	err := chromedp.Run(ctx, chromedp.Navigate(served(t).URL), chromedp.Poll(ready, nil),
		chromedp.Evaluate(`page.m.columns.map((c) => c.total)`, &got))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, totalsOf(example())) {
		t.Errorf("the page has %v", got)
	}
}
