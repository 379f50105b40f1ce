package watch

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Burn is an alert on how fast the error budget is used up, over a long window that says it matters and a short one that says it
// goes on (Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"). At a rate of 1 a budget lasts as
// long as the objective's own period; 14.4 over an hour uses 2 % of a budget of 30 days.
type Burn struct {
	Rate        float64
	Long, Short time.Duration
}

// longest is the longest window: counts of each second are kept for so long.
const longest = 72 * time.Hour

// ParseBurn reads "14.4x/1h/5m": the rate, the long and the short window.
func ParseBurn(text string) (Burn, error) {
	b, err := parseBurn(text)
	if err != nil {
		return Burn{}, fmt.Errorf("burn rate %.40q: %w; write it like 14.4x/1h/5m", text, err)
	}
	return b, nil
}

func parseBurn(text string) (b Burn, err error) {
	parts := strings.Split(strings.TrimSpace(text), "/")
	if len(parts) != 3 {
		return b, errors.New("want a rate, a long window and a short one")
	}
	rate, ok := strings.CutSuffix(parts[0], "x")
	if plain := strings.Trim(rate, "0123456789.") == ""; !ok || !plain {
		return b, fmt.Errorf("%q is no rate", parts[0])
	}
	if b.Rate, err = strconv.ParseFloat(rate, 64); err != nil || !(b.Rate > 0 && b.Rate < 1e6) {
		return b, fmt.Errorf("%q is no rate", parts[0])
	}
	for i, to := range []*time.Duration{&b.Long, &b.Short} {
		if *to, err = time.ParseDuration(parts[i+1]); err != nil || *to < time.Second || *to > longest {
			return b, fmt.Errorf("%q is no window from 1s to %s", parts[i+1], longest)
		}
	}
	if b.Short >= b.Long {
		return b, errors.New("the first window is the long one")
	}
	return b, nil
}

// String is what ParseBurn reads.
func (b Burn) String() string {
	return fmt.Sprintf("%sx/%s/%s", strconv.FormatFloat(b.Rate, 'f', -1, 64), tidy(b.Long), tidy(b.Short))
}
