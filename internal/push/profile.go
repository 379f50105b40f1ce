package push

import (
	"net/url"

	"github.com/google/pprof/profile"
)

// Profile is one as it is sent: as a request, or several.
type Profile struct {
	Service  string // that it is of
	Size     int    // bytes, compressed
	Samples  int
	Types    int // of samples, each of which is a profile of OTLP in each request
	requests []request
	query    url.Values // that is added to the URL's
}

// request has some samples of a profile, and all that is needed to understand them.
type request struct {
	body    []byte // compressed
	samples int
}

// Requests is how many requests it takes to send it.
func (p *Profile) Requests() int { return len(p.requests) }

// withSamples is a profile that has other samples. All else is shared with p.
func withSamples(p *profile.Profile, list []*profile.Sample) *profile.Profile {
	return &profile.Profile{
		SampleType: p.SampleType, DefaultSampleType: p.DefaultSampleType, PeriodType: p.PeriodType, Period: p.Period,
		Mapping: p.Mapping, Location: p.Location, Function: p.Function, Comments: p.Comments,
		TimeNanos: p.TimeNanos, DurationNanos: p.DurationNanos, Sample: list,
	}
}
