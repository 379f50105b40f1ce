package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// FuzzNew has profiles from anywhere read: what comes out is a report, or an error of one line.
func FuzzNew(f *testing.F) {
	small := newScenario(time.Second)
	for i := range int64(32) {
		small.goroutine(i+1, 30+float64(i), fmt.Sprint("request=s", i), "k=v").in("sync.Mutex.Lock", 4*float64(i)+1, locked).
			in("select", 2, dbWait).
			in("runnable", 2, "main.price"+serve).in("IO wait", 4, call).in("running", 2, "main.price"+serve)
	}
	var b bytes.Buffer
	if err := small.p.WriteUncompressed(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), "label:request")
	f.Add(b.Bytes(), "")
	f.Add(b.Bytes(), "label:no\nsuch\xff")
	f.Add(b.Bytes(), "goroutine:net/http.(*conn).serve")
	b.Reset()
	if err := hostile.New(5000, "request").WriteUncompressed(&b); err != nil { // a request for each sample
		f.Fatal(err)
	}
	f.Add(b.Bytes(), "label:request")
	slo, _ := ParseSLO("p99<20ms")
	f.Fuzz(func(t *testing.T, data []byte, request string) {
		cost.Limit{Bytes: 1 << 30, Time: 20 * time.Second}.Hold(t, func() {
			sel, err := timeline.ParseSelector(request)
			if err != nil {
				return
			}
			p, err := profile.ParseUncompressed(data)
			if err != nil || p.CheckValid() != nil {
				return
			}
			rs, err := New(p, Options{SLO: slo, Request: sel, By: "k"})
			if err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Fatal(err)
				}
				return
			}
			for _, format := range []string{"text", "markdown", "html", "json"} {
				var out bytes.Buffer
				if err := Formats().Write(&out, format, rs); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}
