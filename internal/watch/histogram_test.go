package watch

import (
	"fmt"
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

// sum is what all histograms of a reading have counted.
func (r Reading) sum() (c Count) {
	for _, x := range r.Counts {
		c.All, c.Within = c.All+x.All, c.Within+x.Within
	}
	return c
}

func TestHistogram(t *testing.T) {
	type reading struct {
		all, within float64
		bound       time.Duration
	}
	for _, x := range []struct {
		series string
		limit  time.Duration
		want   reading
	}{
		{`http_request_duration_seconds{handler="/fulfil"}`, 800 * time.Millisecond, reading{104, 97, time.Second}},
		{`http_request_duration_seconds{handler="/fulfil"}`, 500 * time.Millisecond, reading{104, 81, 500 * time.Millisecond}},
		{`http_request_duration_seconds_bucket{ handler = "/fulfil" , code="500", }`, time.Second, reading{4, 2, time.Second}},
		{`http_request_duration_seconds`, 800 * time.Millisecond, reading{112, 104, time.Second}}, // all have this one
		{`http_request_duration_seconds{handler="/a\"b\\\n,}"}`, time.Second, reading{8, 7, time.Second}},
		{`rpc_ms`, 250 * time.Millisecond, reading{30, 10, 250 * time.Millisecond}},
	} {
		s, err := ParseSeries(x.series)
		if err != nil {
			t.Error(err)
			continue
		}
		r, err := s.Read(strings.NewReader(page), x.limit)
		c := r.sum()
		if got := (reading{c.All, c.Within, r.Bound}); err != nil || got != x.want {
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

// Counts are what came between two readings of each histogram, whatever comes, goes and begins anew beside it.
func TestHistogramTake(t *testing.T) {
	s, err := ParseSeries("x_seconds")
	if err != nil {
		t.Fatal(err)
	}
	var h Histogram
	histogram := func(code string, within, all int) string {
		return fmt.Sprintf("x_seconds_bucket{code=%q,le=\"1\"} %d\nx_seconds_bucket{code=%q,le=\"+Inf\"} %d\n", code, within, code, all)
	}
	for _, x := range []struct {
		what, page string
		all, over  int
	}{
		{"the first reading", histogram("200", 900, 1000), 0, 0},
		{"100 more", histogram("200", 990, 1100), 100, 10},
		{"nothing", histogram("200", 990, 1100), 0, 0},
		{"another one began", histogram("200", 990, 1100) + histogram("500", 1, 3), 3, 2},
		{"the first is gone", histogram("500", 1, 4), 1, 1},
		{"and is back", histogram("200", 1000, 1110) + histogram("500", 1, 4), 10, 0},
		{"it has begun anew", histogram("200", 15, 20) + histogram("500", 2, 5), 21, 5},
		{"one of another bound", histogram("200", 15, 20) + `x_seconds_bucket{code="2",le="+Inf"} 9e9`, 0, 0},
		{"half of a page", `x_seconds_bucket{code="200",le="1"} 15`, 0, 0},
		{"out of order", histogram("200", 40, 30), 10, 0},
		{"not in order", `x_seconds_bucket{code="200",le="+Inf"} 31` + "\n" + `x_seconds_bucket{code="200",le="1"} 40`, 1, 1},
		{"no numbers", histogram("200", 40, 31) + `x_seconds_bucket{code="200",le="+Inf"} NaN` + "\n" +
			`x_seconds_bucket{code="200",le="+Inf"} +Inf` + "\n" + `x_seconds_bucket{code="200",le="NaN"} 7`, 0, 0},
		{"others for the limit", `x_seconds_bucket{code="200",le="2"} 90` + "\n" + `x_seconds_bucket{code="200",le="+Inf"} 100`, 0, 0},
		{"far beyond", `x_seconds_bucket{code="200",le="2"} 90` + "\n" + `x_seconds_bucket{code="200",le="+Inf"} 1e300`, 1 << 40, 1 << 40},
	} {
		r, err := s.Read(strings.NewReader(x.page), 800*time.Millisecond)
		if err != nil {
			continue // that reading does not count
		}
		if all, over := h.Take(r); all != x.all || over != x.over {
			t.Errorf("%s: %d, %d, want %d, %d", x.what, all, over, x.all, x.over)
		}
	}
}

// A page that is larger than what is read of it has no number that is believed.
func TestHistogramPageIsCut(t *testing.T) {
	s, err := ParseSeries("x")
	if err != nil {
		t.Fatal(err)
	}
	line := "x_bucket{le=\"1\"} 10\nx_bucket{le=\"+Inf\"} 20\n"
	page := line + strings.Repeat(strings.Repeat("#", 1023)+"\n", maxPage>>10)
	if r, err := s.Read(strings.NewReader(page), time.Second); err == nil || !strings.Contains(err.Error(), "larger than 32 MiB") {
		t.Errorf("%+v, %v", r, err)
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
			if c := r.sum(); c.All < 0 || c.Within < 0 || r.Bound < time.Second {
				t.Fatalf("%+v", r)
			}
			var h Histogram
			h.Take(Reading{Bound: r.Bound, Counts: map[uint64]Count{}})
			if all, over := h.Take(r); all < 0 || over < 0 {
				t.Fatalf("%d, %d of %+v", all, over, r)
			}
		})
	})
}
