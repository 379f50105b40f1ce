package profiler

import (
	"fmt"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// maxSampleRate is proc.MaxSampleRate; tests have another.
var maxSampleRate = proc.MaxSampleRate

// allowedRate is the highest rate at which the kernel takes every sample. Of an event with more of them in
// a tick than its limit has, the rest of the tick is not sampled: who runs at the beginning of ticks
// would get it all. So a rate stays below, by what the distance between two samples varies and a
// tick's rounding.
func allowedRate(asked int) int {
	if limit := maxSampleRate(); limit > 0 {
		return min(asked, max(limit*3/4, 1))
	}
	return asked
}

const raiseLimit = "sudo sysctl kernel.perf_event_max_sample_rate=100000"

// limitRate chooses the rate of the on-CPU source.
func (r *recording) limitRate() {
	r.rate = allowedRate(r.options.Rate)
	if r.rate < r.options.Rate {
		r.deny(fmt.Sprintf("samples at %d Hz: %d Hz instead, since kernel.perf_event_max_sample_rate is %d (%s)",
			r.options.Rate, r.rate, maxSampleRate(), raiseLimit))
	}
}

// checkRate says when the limit was lowered meanwhile.
func (r *recording) checkRate() {
	if now := allowedRate(r.rate); now < r.rate {
		r.deny(fmt.Sprintf("samples at %d Hz all the time: kernel.perf_event_max_sample_rate was lowered to %d while recording, and what is "+
			"above is not sampled (%s)",
			r.rate, maxSampleRate(), raiseLimit))
	}
}
