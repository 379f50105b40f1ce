package report

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

func TestParseSLO(t *testing.T) {
	for s, want := range map[string]SLO{
		"p99<800ms":         {Quantile: 0.99, Limit: 800 * time.Millisecond},
		" p99.9 < 1s ":      {Quantile: 0.999, Limit: time.Second},
		"mean<50ms":         {Limit: 50 * time.Millisecond},
		"p50<1m30s":         {Quantile: 0.5, Limit: 90 * time.Second},
		"p0.5<1ns":          {Quantile: 0.005, Limit: 1},
		"p99.99<1.5\u00b5s": {Quantile: 0.9999, Limit: 1500},
	} {
		got, err := ParseSLO(s)
		if err != nil || math.Abs(got.Quantile-want.Quantile) > 1e-12 || got.Limit != want.Limit {
			t.Errorf("%q: %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "p99", "p99<", "p99<800", "p99<-1s", "p99<0s", "p100<1s", "p0<1s", "p<1s", "99<1s", "max<1s", "p99>1s",
		"p1e1<1s", "pNaN<1s", "p+9<1s", "p99<=1s", "error-free"} {
		if o, err := ParseSLO(s); err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "slo ") {
			t.Errorf("%q: %+v, %v", s, o, err)
		}
	}
}

func FuzzSLO(f *testing.F) {
	for _, s := range []string{"p99<800ms", "mean < 1s", "p99.9<1h", "p<", "<"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cost.Small.Hold(t, func() {
			o, err := ParseSLO(s)
			if err != nil {
				return
			}
			if o.Limit <= 0 || o.Quantile < 0 || o.Quantile >= 1 {
				t.Fatalf("%q: %+v", s, o)
			}
			if again, err := ParseSLO(o.String()); err != nil || again.String() != o.String() ||
				again.Quantile != o.Quantile || again.Limit != o.Limit {
				t.Fatalf("%q: %q is read as %+v, %v", s, o, again, err)
			}
			o.judge([]int64{1, 2, 3})
		})
	})
}

func FuzzSelector(f *testing.F) {
	for _, s := range []string{"", "label:request", "func:main.(*x).f", "goroutine:a:b", ":", "label:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cost.Small.Hold(t, func() {
			sel, err := timeline.ParseSelector(s)
			if err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Fatalf("%q: %v", s, err)
				}
				return
			}
			if sel.String() != s {
				t.Fatalf("%q is read as %q", s, sel)
			}
		})
	})
}

// TestJudge holds verdicts against the binomial distribution's own numbers.
func TestJudge(t *testing.T) {
	p99, _ := ParseSLO("p99<100ns")
	mean, _ := ParseSLO("mean<100ns")
	// n requests, over of them over the limit
	lengths := func(n, over int) []int64 {
		l := slices.Repeat([]int64{50}, n-over)
		return append(l, slices.Repeat([]int64{200}, over)...)
	}
	tests := []struct {
		o       SLO
		n, over int
		want    Verdict
	}{
		{p99, 298, 0, Undecided}, {p99, 299, 0, Met}, // 0.99^299 < 5 %
		{p99, 12, 12, Undecided}, {p99, 30, 2, Broken}, {p99, 30, 1, Undecided},
		{p99, 1000, 4, Met}, {p99, 1000, 10, Undecided}, {p99, 1000, 17, Broken}, {p99, 1000, 1000, Broken},
		{p99, 100_000, 900, Met}, {p99, 100_000, 1100, Broken},
		{mean, 1000, 0, Met}, {mean, 1000, 1000, Broken}, {mean, 1000, 333, Undecided}, {mean, 10, 0, Undecided},
	}
	for _, tt := range tests {
		v, why := tt.o.judge(lengths(tt.n, tt.over))
		if v != tt.want || (why != "") != (v == Undecided) {
			t.Errorf("%s: %d of %d over: %s (%s), want %s", tt.o, tt.over, tt.n, v, why, tt.want)
		}
	}
}

// TestBinomial compares with sums that can be done by hand.
func TestBinomial(t *testing.T) {
	for _, tt := range []struct {
		n, k int
		p, w float64
	}{{1, 0, 0.25, 0.75}, {2, 1, 0.5, 0.75}, {10, 0, 0.1, math.Pow(0.9, 10)}, {3, 3, 0.2, 1}} {
		if got := binomial(tt.n, tt.k, tt.p); math.Abs(got-tt.w) > 1e-9 {
			t.Errorf("binomial(%d, %d, %g) = %g, want %g", tt.n, tt.k, tt.p, got, tt.w)
		}
	}
	if got := chance(3, 3, 0, 3); math.Abs(got-0.05) > 1e-9 { // the lady who tastes tea
		t.Errorf("chance = %g, want 1/20", got)
	}
}

// TestVerdictRate draws requests at the border: a wrong verdict comes at most about once in twenty,
// on either side.
func TestVerdictRate(t *testing.T) {
	p90, _ := ParseSLO("p90<100ns")
	for _, n := range []int{100, 1000} {
		wrong := 0.0
		for over := range n + 1 {
			pmf := binomial(n, over, 0.1)
			if over > 0 {
				pmf -= binomial(n, over-1, 0.1)
			}
			l := append(slices.Repeat([]int64{50}, n-over), slices.Repeat([]int64{200}, over)...)
			if v, _ := p90.judge(l); v != Undecided {
				wrong += pmf
			}
		}
		if wrong > 0.1 || wrong < 0.02 {
			t.Errorf("%d requests at the border: a verdict in %.3f of windows, want at most 0.1 (0.05 each side)", n, wrong)
		}
	}
}

// TestExceeds holds the test for alarms against the binomial distribution's own numbers: of 100 requests of which 1 % may be slow,
// 5 or more come in 3.4 of a thousand windows, 6 or more in 0.5.
func TestExceeds(t *testing.T) {
	p99, _ := ParseSLO("p99<100ns")
	mean, _ := ParseSLO("mean<100ns")
	for _, x := range []struct {
		over, all int
		want      bool
	}{
		{0, 0, false}, {29, 29, false}, {5, 100, false}, {6, 100, true}, {3, 30, false}, {4, 30, true}, {15, 600, false},
		{16, 600, true},
		{10_000, 1_000_000, false}, {10_200, 1_000_000, false}, {10_400, 1_000_000, true}, {1_000_000, 1_000_000, true},
	} {
		if got := p99.Exceeds(x.over, x.all); got != x.want {
			t.Errorf("%d of %d: %v", x.over, x.all, got)
		}
		if mean.Exceeds(x.over, x.all) {
			t.Errorf("a mean has no budget: %d of %d", x.over, x.all)
		}
	}
	lengths := func(n int, low, high int64) (ns []int64) {
		for i := range n {
			ns = append(ns, []int64{low, high}[i%2])
		}
		return ns
	}
	if mean.ExceedsMean(lengths(100, 60, 145)) || !mean.ExceedsMean(lengths(100, 90, 145)) ||
		mean.ExceedsMean(lengths(20, 200, 300)) || p99.ExceedsMean(lengths(100, 200, 300)) {
		t.Error("means")
	}
}
