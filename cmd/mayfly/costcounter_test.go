package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// All series of the metric add up, and of no other one whose name begins with it.
func TestCounter(t *testing.T) {
	const metrics = "# HELP requests_total of all\n# TYPE requests_total counter\nrequests_total{code=\"200\",path=\"/a}b\"} 40\n" +
		"requests_total{code=\"500\"} 2.5 1700000000000\nrequests_total_size 1000\nrequests_total\nother 7\nrequests_total{} nothing\n"
	for name, want := range map[string]float64{"requests_total": 42.5, "other": 7, "requests": -1, "": -1} {
		sum, found := sumOf(strings.NewReader(metrics), name)
		if found != (want >= 0) || found && sum != want {
			t.Errorf("%q: %v, %v, want %v", name, sum, found, want)
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			w.Write([]byte(metrics))
			return
		}
		http.NotFound(w, r)
	}))
	defer s.Close()
	if n, err := newCounter(s.URL + "/metrics#other").read(); err != nil || n != 7 {
		t.Error(n, err)
	}
	for at, want := range map[string]string{s.URL + "/metrics#none": `no metric "none"`, s.URL + "/#other": "404",
		"http://127.0.0.1:0/#x": "--counter: "} {
		if _, err := newCounter(at).read(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", at, err)
		}
	}
}
