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
	defaultFrom  = "-1h"
	defaultUntil = "now"
)

// mostPieces is how many profiles one range may be cut into. Each is a request.
const mostPieces = 100

var (
	pyroscope = &database{"Pyroscope", (*Query).readPyroscope, askPyroscope}
	parca     = &database{"Parca", (*Query).readParca, askParca}
)

// scheme is that of an address.
type scheme struct {
	wire string
	of   *database
}

var schemes = map[string]scheme{"pyroscope": {"http", pyroscope}, "pyroscopes": {"https", pyroscope}, "parca": {"http", parca},
	"parcas": {"https", parca}}

// Is says whether an argument names a server rather than a file.
func Is(text string) bool {
	name, _, ok := strings.Cut(text, "://")
	return ok && schemes[name].of != nil
}

// Usage is what Parse takes.
const Usage = "pyroscope://HOST:PORT/SERVICE?from=-2h&until=-1h or parca://HOST:PORT/TYPE{LABELS}?from=-2h&until=-1h; pyroscopes:// and " +
	"parcas:// for HTTPS"

// Parse reads pyroscope://[USER:PASSWORD@]HOST[:PORT]/SERVICE[?KEY=VALUE&...], or parca:// with a selector as Parca has it instead of
// the service, TYPE{LABELS}, of which both parts may be left out. For HTTPS it is pyroscopes:// and parcas://. The keys are
//
//	from, until  now, -2h, now-2h, RFC 3339, or Unix seconds (an hour that ends now)
//	step         the longest that a range is to be: it is cut into equal ones
//	type         the profile's type as Pyroscope has it (CPU time)
//
// and all others are labels: KEY=VALUE, KEY!=VALUE, KEY=~REGEXP or KEY!~REGEXP. Times are relative to now. No error has any of the text
// in it but keys and times.
func Parse(text string, now time.Time) ([]*Query, error) {
	name, rest, _ := strings.Cut(text, "://")
	is := schemes[name]
	u, err := url.Parse(is.wire + "://" + rest)
	if err != nil || is.of == nil || u.Hostname() == "" || strings.Contains(text, "#") {
		return nil, errors.New("want " + Usage)
	}
	q := &Query{of: is.of, server: &url.URL{Scheme: u.Scheme, Host: u.Host}, user: u.User, kind: defaultType}
	labels, err := is.of.read(q, strings.Trim(u.Path, "/"))
	if err != nil {
		return nil, err
	}
	q.place = (&url.URL{Scheme: name, Host: u.Host, Path: "/" + q.place}).String()
	return q.complete(labels, u.RawQuery, now)
}

// readPyroscope takes the path for the name of the service.
func (q *Query) readPyroscope(path string) ([]matcher, error) {
	if path == "" {
		return nil, errors.New("no name of a service: want " + Usage)
	}
	q.place = path
	return []matcher{{"service_name", "=", path}}, nil // pkg/model/labels.go of Pyroscope, LabelNameServiceName
}

// complete reads what stands behind the question mark.
func (q *Query) complete(labels []matcher, raw string, now time.Time) (all []*Query, err error) {
	from, until, step := defaultFrom, defaultUntil, ""
	known := map[string]*string{"from": &from, "until": &until, "step": &step}
	if q.of == pyroscope {
		known["type"] = &q.kind
	}
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
