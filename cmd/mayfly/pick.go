package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/requests"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// requestUsage is the help of --request.
const requestUsage = "what a request is: label:KEY, func:NAME, goroutine:FUNC, or task:TYPE or region:TYPE of a " +
	"trace (default the server functions of net/http, gRPC and fasthttp)"

// pickFlags say which requests are meant.
type pickFlags struct {
	request string   // what a request is
	latency duration // those that took this long; 0: all
	id      string   // those with this value of a label
	worst   int      // so many of the slowest; 0: all
}

func (f *pickFlags) pick() (requests.Pick, error) {
	what, err := timeline.ParseSelector(f.request)
	return requests.Pick{Request: what, ID: f.id, Least: time.Duration(f.latency), Worst: f.worst}, err
}

// picks says whether single requests are asked for, and no verdict.
func (f *pickFlags) picks() bool { return f.id != "" || f.worst != 0 || f.latency > 0 }

// keepsProfile says whether those are to be kept as a profile.
func (f *pickFlags) keepsProfile(out *resultFlags) bool {
	return f.picks() && out.format == "" && hasExtension(out.output, viewExtensions())
}

func (f *pickFlags) checkResult(out *resultFlags) error {
	switch {
	case f.worst < 0:
		return usagef("report: --worst %d: not a number of requests", f.worst)
	case f.keepsProfile(out) && export.ForFile(out.output).Timeline:
		return usagef("report: what is kept of some requests has no timeline, which %s needs", out.output)
	case f.keepsProfile(out):
		return nil
	}
	if err := out.check(); err != nil {
		return err
	}
	if f.picks() && !slices.Contains(requests.Formats().Names(), out.format) {
		return usagef("report: single requests are text or json, or a profile by the extension of the output: %s",
			out.format)
	}
	return nil
}

// keep picks requests and leaves in a profile what is of them.
func keep(p *profile.Profile, pick requests.Pick) (*requests.Found, error) {
	t, err := timeline.Read(p, slices.Values(p.Sample))
	if err != nil {
		return nil, err
	}
	found, err := requests.In(t, pick)
	if err != nil {
		return nil, err
	}
	found.Keep(p)
	return found, nil
}

// kept says what is in a profile of some requests.
func kept(found *requests.Found, p *profile.Profile) string {
	text := fmt.Sprintf("%d of %d whole requests", len(found.Picked), found.Whole)
	for i, t := range p.SampleType {
		if t.Unit != "nanoseconds" {
			continue
		}
		ns := int64(0)
		for _, s := range p.Sample {
			ns += s.Value[i]
		}
		text += fmt.Sprintf(", %s %s", t.Type, time.Duration(ns).Round(10*time.Microsecond))
	}
	return text
}

// keepSlow leaves the slow requests of a recording, if that is asked for. Where no request can be told it leaves all, and says
// so: what was recorded is not recorded again.
func (f *pickFlags) keepSlow(e *env, path string, p *profile.Profile) {
	if f.latency == 0 {
		return
	}
	var found *requests.Found
	pick, err := f.pick()
	if err == nil {
		found, err = keep(p, pick)
	}
	if err != nil {
		e.warn("all is kept, also what took less than %s: %v", f.latency.String(), err)
		return
	}
	e.say("%s: %s that took %s or longer", path, kept(found, p), f.latency.String())
}
