package labels

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	type seen struct{ endpoint, request, child string }
	var got seen
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(_ http.ResponseWriter, r *http.Request) {
		got.endpoint, _ = pprof.Label(r.Context(), Endpoint)
		got.request, _ = pprof.Label(r.Context(), Request)
		child := make(chan string)
		go pprof.Do(r.Context(), pprof.Labels("step", "1"), func(ctx context.Context) {
			v, _ := pprof.Label(ctx, Request)
			child <- v
		})
		got.child = <-child
	})
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { got.endpoint, _ = pprof.Label(r.Context(), Endpoint) })
	for _, tt := range []struct{ path, id, endpoint, request string }{
		{"/orders/17", "req-1", "GET /orders/{id}", "req-1"},
		{"/orders/17", "", "GET /orders/{id}", ""},
		{"/orders/17", "two\nlines", "GET /orders/{id}", ""},
		{"/orders/17", strings.Repeat("x", 65), "GET /orders/{id}", ""},
		{"/secret/17", "x", "/", ""},
	} {
		got = seen{}
		r := httptest.NewRequest("GET", tt.path, nil)
		if tt.id != "" {
			r.Header[Header] = []string{tt.id}
		}
		Handler(mux).ServeHTTP(httptest.NewRecorder(), r)
		if got.endpoint != tt.endpoint || tt.request != "" && got.request != tt.request || got.child != got.request || got.request == tt.id &&
			tt.request == "" && tt.id != "" {
			t.Errorf("%s, id %q: %+v", tt.path, tt.id, got)
		}
		if tt.endpoint != "/" && got.request == "" {
			t.Errorf("%s: no id", tt.path)
		}
	}
	// Behind the mux the request knows its pattern; where nobody knows, the path is not told.
	inner := http.NewServeMux()
	inner.Handle("/a/{x}", Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got.endpoint, _ = pprof.Label(r.Context(), Endpoint)
	})))
	inner.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a/b", nil))
	if got.endpoint != "/a/{x}" {
		t.Errorf("behind a mux: %q", got.endpoint)
	}
	Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got.endpoint, _ = pprof.Label(r.Context(), Endpoint)
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a/b", nil))
	if got.endpoint != "other" {
		t.Errorf("without a mux: %q", got.endpoint)
	}
}
