package push

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/resource"
)

// pyroscopeHeader is what each request has.
var pyroscopeHeader = http.Header{"Content-Type": {"application/octet-stream"}}

// encodePyroscope makes a request of POST /ingest, with a pprof file as its body ("The pprof format" in Pyroscope's Server HTTP API;
// a form is for sample types that need a configuration, and is not looked for beside format=pprof: pkg/ingester/pyroscope,
// readInputRawDataFromRequest).
func encodePyroscope(p *profile.Profile, service string) (*Profile, error) {
	format, err := export.ByName("pprof")
	if err != nil {
		return nil, err
	}
	if service == "" {
		service = resource.Service(p)
	}
	service = strings.Map(inName, service)
	var body bytes.Buffer
	if err := format.Write(&body, series(p), export.Options{}); err != nil {
		return nil, err
	}
	query := url.Values{"name": {service}, "format": {"pprof"}, "spyName": {"mayfly"}}
	if p.TimeNanos > 0 { // else it is the server's time
		query.Set("from", strconv.FormatInt(p.TimeNanos/1e9, 10))
		query.Set("until", strconv.FormatInt((p.TimeNanos+p.DurationNanos)/1e9, 10))
	}
	return &Profile{Service: service, requests: []request{{body.Bytes(), len(p.Sample)}}, query: query}, nil
}

// inName is a character of a name as Pyroscope takes it (api/model/labelset, IsServiceNameRuneAllowed).
func inName(r rune) rune {
	if r == '-' || r == '.' || r == '/' {
		return r
	}
	return inKey(r)
}

// inKey is a character of a label's name as Prometheus and all versions of Pyroscope take it.
func inKey(r rune) rune {
	if r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '_'
}

// series is a profile whose labels are as those of series have to be: each label of a sample becomes one of its series. Numbers are
// none, and of two keys that become the same one only the first is kept. Locations and values are shared with p.
func series(p *profile.Profile) *profile.Profile {
	names := make(map[string]string) // by key
	taken := map[string]bool{}
	for _, key := range textKeys(p) {
		name := strings.Map(inKey, key)
		if name == "" || name[0] >= '0' && name[0] <= '9' || strings.HasPrefix(name, "__") || name == "service_name" {
			name = "label_" + strings.TrimLeft(name, "_") // the others are the server's own
		}
		if !taken[name] {
			taken[name], names[key] = true, name
		}
	}
	list := make([]*profile.Sample, 0, len(p.Sample))
	for _, s := range p.Sample {
		labels := make(map[string][]string, len(s.Label))
		for key, values := range s.Label {
			if name := names[key]; name != "" && len(values) > 0 {
				labels[name] = []string{strings.ToValidUTF8(strings.Join(values, ","), "\uFFFD")}
			}
		}
		list = append(list, &profile.Sample{Location: s.Location, Value: s.Value, Label: labels})
	}
	return withSamples(p, list)
}

// textKeys are the keys of all labels that are texts, sorted.
func textKeys(p *profile.Profile) []string {
	keys := make(map[string]bool)
	for _, s := range p.Sample {
		for key := range s.Label {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}
