package query

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// What a query is without a word on it.
const (
	defaultType  = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	defaultFrom  = "-1h"
	defaultUntil = "now"
)

// mostPieces is how many profiles one range may be cut into. Each is a request.
const mostPieces = 100

// schemes are those of addresses, and what they are on the wire.
var schemes = map[string]string{"pyroscope": "http", "pyroscopes": "https"}

// Is says whether an argument names a server rather than a file.
func Is(text string) bool {
	scheme, _, ok := strings.Cut(text, "://")
	return ok && schemes[scheme] != ""
}

// Usage is what Parse takes.
const Usage = "pyroscope://HOST:PORT/SERVICE?from=-2h&until=-1h, or pyroscopes:// for HTTPS"

// Parse reads pyroscope://[USER:PASSWORD@]HOST[:PORT]/SERVICE[?KEY=VALUE&...] or pyroscopes://, where the keys are
//
//	from, until  now, -2h, now-2h, RFC 3339, or Unix seconds (an hour that ends now)
//	step         the longest that a range is to be: it is cut into equal ones
//	type         the profile's type as Pyroscope has it (CPU time)
//
// and all others are labels: KEY=VALUE, KEY!=VALUE, KEY=~REGEXP or KEY!~REGEXP. Times are relative to now. No error has any of the text
// in it but keys and times.
func Parse(text string, now time.Time) ([]*Query, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	u, err := url.Parse(schemes[scheme] + "://" + rest)
	if err != nil || schemes[scheme] == "" || u.Hostname() == "" || strings.Contains(text, "#") {
		return nil, errors.New("want " + Usage)
	}
	service := strings.Trim(u.Path, "/")
	if service == "" {
		return nil, errors.New("no name of a service: want " + Usage)
	}
	q := &Query{server: &url.URL{Scheme: u.Scheme, Host: u.Host}, user: u.User, kind: defaultType}
	q.place = (&url.URL{Scheme: scheme, Host: u.Host, Path: "/" + service}).String()
	return q.complete(service, u.RawQuery, now)
}

// complete reads what stands behind the question mark.
func (q *Query) complete(service, raw string, now time.Time) (all []*Query, err error) {
	from, until, step := defaultFrom, defaultUntil, ""
	labels := []matcher{{"service_name", "=", service}} // pkg/model/labels.go of Pyroscope, LabelNameServiceName
	known := map[string]*string{"from": &from, "until": &until, "step": &step, "type": &q.kind}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		m, err := readMatcher(part)
		if err != nil {
			return nil, err
		}
		if value := known[m.key]; value == nil {
			labels = append(labels, m)
		} else if *value = m.value; m.operator != "=" {
			return nil, fmt.Errorf("%s%s: want %s=", m.key, m.operator, m.key)
		}
	}
	q.selector = selector(labels)
	if n := strings.Count(q.kind, ":") + 1; n != 5 && n != 6 { // pkg/model/profile.go, ParseProfileTypeSelector
		return nil, errors.New("type: want NAME:TYPE:UNIT:PERIOD_TYPE:PERIOD_UNIT, such as " + defaultType)
	}
	if q.from, err = moment("from", from, now); err != nil {
		return nil, err
	}
	if q.until, err = moment("until", until, now); err != nil {
		return nil, err
	}
	return q.pieces(step)
}

// pieces are the queries that the range is cut into.
func (q *Query) pieces(step string) ([]*Query, error) {
	length := time.Duration(q.until.UnixMilli()-q.from.UnixMilli()) * time.Millisecond
	if length <= 0 {
		return nil, errors.New("from is not before until")
	}
	if step == "" {
		return q.cut(1), nil
	}
	d, err := time.ParseDuration(step)
	if err != nil || d < time.Second {
		return nil, errors.New("step: want a duration of a second or more, such as 10m")
	}
	n := (length-1)/d + 1
	if n > mostPieces {
		return nil, fmt.Errorf("step=%s: %s has more than %d of them", d, length, mostPieces)
	}
	return q.cut(int(n)), nil
}
