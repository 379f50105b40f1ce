package page

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/mayfly-profiler/mayfly/internal/chrome"
)

// served is the address of a page that is served, and of the server.
func served(t *testing.T) (url, server string) {
	t.Helper()
	p := example()
	b := New(Options{Title: "served"})
	if err := b.Add(p, slices.Values(p.Sample)); err != nil {
		t.Fatal(err)
	}
	path, handler, err := b.Handler()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL + path, s.URL
}

// TestOnlyWhoKnows: another user of this machine, who finds the port, gets nothing.
func TestOnlyWhoKnows(t *testing.T) {
	url, server := served(t)
	for at, want := range map[string]int{
		url: http.StatusOK, url + fetched: http.StatusOK, server: http.StatusNotFound, server + "/": http.StatusNotFound,
		server + "/" + fetched: http.StatusNotFound, server + "/A/" + fetched: http.StatusNotFound, url[:len(url)-2]: http.StatusNotFound,
	} {
		answer, err := http.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s, want %d", at, answer.Status, want)
		}
	}
}

// TestHosts: a page of somebody else whose name leads to this machine gets nothing.
func TestHosts(t *testing.T) {
	url, _ := served(t)
	for host, want := range map[string]int{"": http.StatusOK, "localhost:8080": http.StatusOK, "[::1]:80": http.StatusOK,
		"[::1]":        http.StatusOK,
		"evil.example": http.StatusForbidden, "evil.example:80": http.StatusForbidden, "localhost.evil.example": http.StatusForbidden,
		"10.0.0.1": http.StatusForbidden, "127.0.0.1.evil.example:80": http.StatusForbidden, "localhost@evil.example": http.StatusForbidden} {
		for _, path := range []string{"", fetched} {
			r, err := http.NewRequest("GET", url+path, nil)
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
	url, _ := served(t)
	err := chromedp.Run(ctx, chromedp.Navigate(url), chromedp.Poll(ready, nil),
		chromedp.Evaluate(`page.m.columns.map((c) => c.total)`, &got))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, totalsOf(example())) {
		t.Errorf("the page has %v", got)
	}
}
