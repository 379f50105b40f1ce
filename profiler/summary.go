package profiler

import (
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// Summary is what a recording is worth: what was asked, what was reached, what was lost, what the host did not allow.
type Summary = summary.Summary

// mergeSummaries is the summary of slices that adjoin.
func mergeSummaries(in []kept) (sum Summary) {
	length := float64(max(in[len(in)-1].end.Sub(in[0].start), 1))
	seen := in[0].summary.Coverage.Seen
	for i, k := range in {
		sum.Merge(&k.summary, float64(k.end.Sub(k.start))/length)
		if i > 0 {
			seen += k.fresh
		}
		seen = max(seen, k.summary.Coverage.Seen)
	}
	sum.Coverage.Seen = seen
	return sum
}

// kept is a slice.
type kept struct {
	data       []byte // gzip-compressed profile
	start, end time.Time
	summary    Summary
	fresh      int64 // goroutines that no earlier slice has
	samples    int
}
