package watch

import (
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

// page is as Prometheus' client library for Go writes it.
const page = `# HELP http_request_duration_seconds A histogram.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{code="200",handler="/fulfil",le="0.5"} 80
http_request_duration_seconds_bucket{code="200",handler="/fulfil",le="1"} 95
http_request_duration_seconds_bucket{code="200",handler="/fulfil",le="2.5"} 99
http_request_duration_seconds_bucket{code="200",handler="/fulfil",le="+Inf"} 100
http_request_duration_seconds_sum{code="200",handler="/fulfil"} 53.4
http_request_duration_seconds_count{code="200",handler="/fulfil"} 100
http_request_duration_seconds_bucket{code="500",handler="/fulfil",le="0.5"} 1
http_request_duration_seconds_bucket{code="500",handler="/fulfil",le="1"} 2
http_request_duration_seconds_bucket{code="500",handler="/fulfil",le="2.5"} 3
http_request_duration_seconds_bucket{code="500",handler="/fulfil",le="+Inf"} 4
http_request_duration_seconds_bucket{code="200",handler="/a\"b\\\n,}",le="1"} 7 1395066363000
http_request_duration_seconds_bucket{code="200",handler="/a\"b\\\n,}",le="+Inf"} 8 1395066363000
rpc_ms_bucket{le="250"} 10
rpc_ms_bucket{le="1000"} 20
rpc_ms_bucket{le="+Inf"} 30
http_request_duration_seconds_bucketful{le="1"} 1e9
go_goroutines 12
`

func TestHistogram(t *testing.T) {
	for _, x := range []struct {
		series string
		limit  time.Duration
		want   Reading
	}{
		{`http_request_duration_seconds{handler="/fulfil"}`, 800 * time.Millisecond, Reading{104, 97, time.Second}},
		{`http_request_duration_seconds{handler="/fulfil"}`, 500 * time.Millisecond, Reading{104, 81, 500 * time.Millisecond}},
		{`http_request_duration_seconds_bucket{ handler = "/fulfil" , code="500", }`, time.Second, Reading{4, 2, time.Second}},
		{`http_request_duration_seconds`, 800 * time.Millisecond, Reading{112, 104, time.Second}}, // all have this one
		{`http_request_duration_seconds{handler="/a\"b\\\n,}"}`, time.Second, Reading{8, 7, time.Second}},
		{`rpc_ms`, 250 * time.Millisecond, Reading{30, 10, 250 * time.Millisecond}},
	} {
		s, err := ParseSeries(x.series)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, err := s.Read(strings.NewReader(page), x.limit); err != nil || got != x.want {
			t.Errorf("%s at %v: %+v, %v, want %+v", &s, x.limit, got, err, x.want)
		}
	}
	for series, want := range map[string]string{
		`http_request_duration_seconds{handler="/none"}`: "no histogram",
		`go_goroutines`: "no histogram",
		`rpc_ms`:        "no bucket that ends at 5s or above",
	} {
		s, err := ParseSeries(series)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Read(strings.NewReader(page), 5*time.Second); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", series, got, err, want)
		}
	}
}

func TestParseSeriesErrors(t *testing.T) {
	for _, text := range []string{"", "{a=\"b\"}", "1x", `x{a=b}`, `x{a="b}`, `x{a="b" c="d"}`, `x{a="b"} 5`, `x{a=~"b"}`, "x y"} {
		if s, err := ParseSeries(text); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
}

// Counts are what came between two readings; a process that was started again begins at 0.
func TestHistogramTake(t *testing.T) {
	var h Histogram
	for i, x := range []struct {
		r         Reading
		all, over int
	}{
		{Reading{1000, 900, time.Second}, 0, 0}, {Reading{1100, 990, time.Second}, 100, 10}, {Reading{1100, 990, time.Second}, 0, 0},
		{Reading{20, 15, time.Second}, 20, 5}, {Reading{30, 25, time.Second}, 10, 0}, {Reading{1e300, 25, time.Second}, 1 << 40, 1 << 40},
	} {
		if all, over := h.Take(x.r); all != x.all || over != x.over {
			t.Errorf("reading %d: %d, %d of %+v", i, all, over, x)
		}
	}
}

// FuzzHistogram reads any page, in bounded time and memory.
func FuzzHistogram(f *testing.F) {
	f.Add(page, `http_request_duration_seconds{handler="/fulfil"}`)
	f.Add(`x_bucket{le="NaN"} NaN`+"\n"+`x_bucket{le="-Inf"} -1`+"\n"+`x_bucket{le="1"} 1e400`+"\n"+`x_bucket{le=`, "x")
	f.Add("x_bucket{le=\""+strings.Repeat("9", 1000)+"\"} 1\n"+strings.Repeat("x", 70_000), "x")
	f.Fuzz(func(t *testing.T, page, series string) {
		cost.Small.Hold(t, func() {
			s, err := ParseSeries(series)
			if err != nil {
				return
			}
			r, err := s.Read(strings.NewReader(page), time.Second)
			if err != nil {
				return
			}
			if r.All < 0 || r.Within < 0 || r.Bound < time.Second {
				t.Fatalf("%+v", r)
			}
			var h Histogram
			h.Take(Reading{})
			if all, over := h.Take(r); all < 0 || over < 0 {
				t.Fatalf("%d, %d of %+v", all, over, r)
			}
		})
	})
}
