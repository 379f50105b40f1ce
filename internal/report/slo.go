package report

import (
	"time"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/internal/when"
)

// SLO is a service level objective for how long requests take: a quantile or the mean stays below a
// limit.
type SLO struct {
	Quantile float64       // 0.99 for p99; 0 for the mean
	Limit    time.Duration // exclusive, more than 0

	of when.Objective
}

// ParseSLO reads an objective: "p99<800ms", "p99.9(endpoint=/fulfil)<1s", "mean<50ms". Spaces do not matter.
func ParseSLO(s string) (SLO, error) {
	o, err := when.ParseObjective(s)
	if err != nil {
		return SLO{}, err
	}
	return SLO{Quantile: o.Quantile, Limit: o.Limit(), of: o}, nil
}

// Objective is what was parsed.
func (o SLO) Objective() when.Objective { return o.of }

// Request is what a request is where nobody says otherwise: the objective may name the label that tells one from another.
func (o SLO) Request() timeline.Selector {
	if o.of.By == "" {
		return timeline.Selector{}
	}
	return timeline.Selector{By: timeline.Label, Name: o.of.By}
}

// String is the objective as it was written, without spaces that say nothing.
func (o SLO) String() string { return o.of.String() }
