package watch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/when"
)

// A service that counts its requests in a histogram of Prometheus' client library knows how long each of them took. The text format
// is read here and not by prometheus/common: what go.mod requires is lifted in each service that imports a package of ours,
// and that one is in most of them. A page is hostile input: so much is read of it, and nothing kept but sums.

const (
	maxPage    = 32 << 20
	maxLine    = 64 << 10
	maxBuckets = 1000 // distinct bounds
)

// Series names the histograms that are added up: those with a name that have all of some labels.
type Series struct {
	Name   string // without _bucket
	Labels []when.Label
}

// ParseSeries reads http_request_duration_seconds{handler="/fulfil"}, as PromQL has it, with = only.
func ParseSeries(text string) (Series, error) {
	name, labels, rest, err := parseSample(strings.TrimSpace(text))
	if err == nil && strings.TrimSpace(rest) != "" {
		err = fmt.Errorf("%.20q behind the labels", rest)
	}
	if err != nil {
		return Series{}, fmt.Errorf("series %.80q: %w; write it like http_request_duration_seconds{handler=\"/orders\"}", text, err)
	}
	return Series{strings.TrimSuffix(name, "_bucket"), labels}, nil
}

// parseSample reads the name and the labels at the begin of a line (Prometheus, "Exposition formats", text format 0.0.4).
func parseSample(line string) (name string, labels []when.Label, rest string, err error) {
	end := strings.IndexFunc(line, func(r rune) bool { return !nameRune(r) })
	if end < 0 {
		end = len(line)
	}
	if name, rest = line[:end], line[end:]; name == "" || name[0] >= '0' && name[0] <= '9' {
		return "", nil, "", errors.New("no name of a metric")
	}
	rest = strings.TrimLeft(rest, " \t")
	if !strings.HasPrefix(rest, "{") {
		return name, nil, rest, nil
	}
	next := func(s string) string { return strings.TrimLeft(s, " \t") }
	for rest = next(rest[1:]); !strings.HasPrefix(rest, "}"); rest = next(strings.TrimPrefix(rest, ",")) {
		key, value, ok := strings.Cut(rest, "=")
		if value = next(value); !ok || !strings.HasPrefix(value, `"`) {
			return "", nil, "", errors.New("a label without a quoted value")
		}
		var l when.Label
		if l.Value, rest, ok = quoted(value[1:]); !ok {
			return "", nil, "", errors.New("a quoted value that does not end")
		}
		l.Key = strings.TrimSpace(key)
		labels = append(labels, l)
		if rest = next(rest); !strings.HasPrefix(rest, ",") && !strings.HasPrefix(rest, "}") {
			return "", nil, "", errors.New("no , or } behind a label")
		}
	}
	return name, labels, rest[1:], nil
}

func nameRune(r rune) bool {
	return r == '_' || r == ':' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// quoted reads up to the closing quote: \\, \" and \n are escapes.
func quoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s) && s[i+1] == 'n':
			i++
			b.WriteByte('\n')
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// unit is how long 1 of a series is: Prometheus' own rule is seconds, and names end with their unit.
func (s *Series) unit() float64 {
	switch {
	case strings.HasSuffix(s.Name, "_milliseconds"), strings.HasSuffix(s.Name, "_ms"):
		return 1e6
	case strings.HasSuffix(s.Name, "_microseconds"), strings.HasSuffix(s.Name, "_us"):
		return 1e3
	}
	return 1e9
}

// Reading is what the histograms have counted since they began.
type Reading struct {
	All, Within float64       // requests; those that took Bound or less
	Bound       time.Duration // of the first bucket that reaches the limit
}

// Read adds up the histograms of a page. There has to be one, and all have to have a bucket that ends at the limit or above it.
func (s *Series) Read(page io.Reader, limit time.Duration) (Reading, error) {
	b, err := s.buckets(page)
	if err != nil {
		return Reading{}, err
	}
	all := b[math.Inf(1)]
	if all.series == 0 {
		return Reading{}, fmt.Errorf("no histogram %s", s)
	}
	bounds := make([]float64, 0, len(b))
	for bound, x := range b {
		if ns := bound * s.unit(); ns >= float64(limit) && ns < 1<<62 && x.series == all.series {
			bounds = append(bounds, bound)
		}
	}
	if len(bounds) == 0 {
		return Reading{}, fmt.Errorf("%s has no bucket that ends at %s or above: what takes longer cannot be told", s, limit)
	}
	bound := slices.Min(bounds)
	return Reading{All: all.count, Within: b[bound].count, Bound: time.Duration(math.Round(bound * s.unit()))}, nil
}

// bucket is the sum over the series that have it.
type bucket struct {
	count  float64
	series int
}

func (s *Series) buckets(page io.Reader) (map[float64]bucket, error) {
	found := make(map[float64]bucket)
	in := bufio.NewScanner(io.LimitReader(page, maxPage))
	in.Buffer(make([]byte, 0, 4096), maxLine)
	prefix := s.Name + "_bucket"
	for in.Scan() {
		if !strings.HasPrefix(in.Text(), prefix) {
			continue
		}
		name, labels, rest, err := parseSample(in.Text())
		fields := strings.Fields(rest)
		if err != nil || name != prefix || len(fields) == 0 || !s.matches(labels) {
			continue
		}
		le, lerr := strconv.ParseFloat(valueOf(labels, "le"), 64)
		n, nerr := strconv.ParseFloat(fields[0], 64)
		if lerr != nil || nerr != nil || math.IsNaN(le) || !(n >= 0) || math.IsInf(n, 1) {
			continue
		}
		x := found[le]
		if found[le] = (bucket{x.count + n, x.series + 1}); len(found) > maxBuckets {
			return nil, fmt.Errorf("%s has more than %d buckets", s, maxBuckets)
		}
	}
	return found, in.Err()
}

func (s *Series) matches(labels []when.Label) bool {
	return !slices.ContainsFunc(s.Labels, func(l when.Label) bool { return !slices.Contains(labels, l) })
}

func valueOf(labels []when.Label, key string) string {
	for _, l := range labels {
		if l.Key == key {
			return l.Value
		}
	}
	return ""
}

// String is the series as it is written in PromQL.
func (s *Series) String() string {
	var labels []string
	for _, l := range s.Labels {
		labels = append(labels, fmt.Sprintf("%s=%q", l.Key, l.Value))
	}
	if len(labels) == 0 {
		return s.Name
	}
	return s.Name + "{" + strings.Join(labels, ",") + "}"
}

// Histogram makes counts of the readings that follow each other.
type Histogram struct {
	last Reading
	read bool
}

// Take returns what was counted since the reading before, nothing after the first. Counters that fell have begun anew.
func (h *Histogram) Take(r Reading) (all, over int) {
	was, first := h.last, !h.read
	h.last, h.read = r, true
	if first {
		return 0, 0
	}
	if r.All < was.All || r.Within < was.Within || r.Bound != was.Bound {
		was = Reading{}
	}
	n := min(r.All-was.All, 1<<40)
	return int(n), int(max(0, n-(r.Within-was.Within)))
}
