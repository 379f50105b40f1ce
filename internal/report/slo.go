package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SLO is a service level objective for how long requests take: a quantile or the mean stays below a
// limit.
type SLO struct {
	Quantile float64       // 0.99 for p99; 0 for the mean
	Limit    time.Duration // exclusive, more than 0

	text string
}

// ParseSLO reads "p99<800ms", "p99.9<1s", "mean<50ms". Spaces do not matter.
func ParseSLO(s string) (SLO, error) {
	compact := strings.Join(strings.Fields(s), "")
	what, limit, ok := strings.Cut(compact, "<")
	if !ok {
		return SLO{}, fmt.Errorf("slo %q: want a quantile or mean, <, and a duration: p99<800ms", s)
	}
	o := SLO{text: compact}
	if what != "mean" {
		var err error
		if o.Quantile, err = parseQuantile(what); err != nil {
			return SLO{}, fmt.Errorf("slo %q: %w", s, err)
		}
	}
	d, err := time.ParseDuration(limit)
	if err != nil || d <= 0 {
		return SLO{}, fmt.Errorf("slo %q: %q is no duration above 0: write 800ms or 1.5s", s, limit)
	}
	o.Limit = d
	return o, nil
}

func parseQuantile(s string) (float64, error) {
	digits, ok := strings.CutPrefix(s, "p")
	q, err := strconv.ParseFloat(digits, 64)
	plain := strings.Trim(digits, "0123456789.") == ""
	if !ok || err != nil || !plain || q <= 0 || q >= 100 {
		return 0, fmt.Errorf("%q is neither a quantile between p0 and p100 nor mean", s)
	}
	return q / 100, nil
}

// String is the objective as it was written, without spaces.
func (o SLO) String() string { return o.text }
