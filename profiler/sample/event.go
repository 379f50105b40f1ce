package sample

import "fmt"

// EventCount is how often something happened to a target's threads that was sampled: a column of the profile.
type EventCount struct {
	Name    string  `json:"name"`    // perf's, and the column's
	Count   int64   `json:"count"`   // by the samples, lost ones included
	Samples int64   `json:"samples"` // that were delivered
	Lost    int64   `json:"lost"`    // taken and not delivered
	Counted float64 `json:"counted"` // the share of the time in which it was: CPUs have fewer counters than there may be events
}

// String is "page-faults=52340 samples=9980 lost=0 counted=1.00".
func (e EventCount) String() string {
	return fmt.Sprintf("%s=%d samples=%d lost=%d counted=%.2f", e.Name, e.Count, e.Samples, e.Lost, e.Counted)
}

// Add adds what was counted later of the same event. share is the part that the later time has of the whole.
func (e *EventCount) Add(later EventCount, share float64) {
	e.Count, e.Samples, e.Lost = e.Count+later.Count, e.Samples+later.Samples, e.Lost+later.Lost
	e.Counted += share * later.Counted
}
