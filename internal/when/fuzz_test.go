package when

import (
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// FuzzAdd has watches of each kind follow any slice, twice.
func FuzzAdd(f *testing.F) {
	hostile.Fuzz(f, func(t *testing.T, p *profile.Profile) {
		for _, text := range []string{"p99(k=v1)>1ms", "max(request)>1ms", "count(go.state=running)>3", "mean(k)<1h", "p99>1ms"} {
			c, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			w := NewWatch(c, time.Minute)
			w.Add(p)
			w.Add(p)
			if len(w.done) > maxSpans || len(w.open) > len(p.Sample) {
				t.Fatalf("%d latencies are remembered, %d are open", len(w.done), len(w.open))
			}
			w.Reset()
		}
	})
}
