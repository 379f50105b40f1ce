package labels_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"

	"github.com/mayfly-profiler/mayfly/profiler/labels"
)

// Every request of a service has its endpoint and an id, in all goroutines that serve it.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		endpoint, _ := pprof.Label(r.Context(), labels.Endpoint)
		request, _ := pprof.Label(r.Context(), labels.Request)
		fmt.Println(endpoint, request)
	})
	r := httptest.NewRequest(http.MethodGet, "/orders/17", nil)
	r.Header.Set(labels.Header, "r-1")
	labels.Handler(mux).ServeHTTP(httptest.NewRecorder(), r)
	// Output: GET /orders/{id} r-1
}

// A server of another kind labels what it serves itself.
func ExampleSet() {
	pprof.Do(context.Background(), labels.Set("job.mail", "m-7"), func(ctx context.Context) {
		job, _ := pprof.Label(ctx, labels.Endpoint)
		fmt.Println(job)
	})
	// Output: job.mail
}
