package watch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
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
	maxBuckets = 100_000 // of all histograms that match
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

// Reading is what the histograms of a page have counted since each of them began.
type Reading struct {
	Bound  time.Duration    // of the first bucket that reaches the limit, and that all of them have
	Counts map[uint64]Count // by what tells one histogram from another
}

// Count is of requests: all, and those that took Bound or less.
type Count struct{ All, Within float64 }

// Read reads the histograms of a page. There has to be one, and all have to have a bucket that ends at the limit or above it.
func (s *Series) Read(page io.Reader, limit time.Duration) (Reading, error) {
	found, err := s.buckets(page, float64(limit)/s.unit())
	if err != nil {
		return Reading{}, err
	}
	r := Reading{Counts: make(map[uint64]Count)}
	have := make(map[float64]int) // histograms that have a bucket with this bound
	for id, buckets := range found {
		all, whole := buckets[math.Inf(1)]
		if !whole {
			continue // of a histogram that the page has not all of
		}
		r.Counts[id] = Count{All: all}
		for bound := range buckets {
			have[bound]++
		}
	}
	if len(r.Counts) == 0 {
		return Reading{}, fmt.Errorf("no histogram %s", s)
	}
	bound := math.Inf(1)
	for b, n := range have {
		if n == len(r.Counts) && b*s.unit() < 1<<62 {
			bound = min(bound, b)
		}
	}
	if math.IsInf(bound, 1) {
		return Reading{}, fmt.Errorf("%s has no bucket that ends at %s or above: what takes longer cannot be told", s, limit)
	}
	r.Bound = time.Duration(math.Round(bound * s.unit()))
	for id, c := range r.Counts {
		r.Counts[id] = Count{c.All, found[id][bound]}
	}
	return r, nil
}

// buckets are the counts of the histograms by their upper bounds, of those that reach the limit.
func (s *Series) buckets(page io.Reader, limit float64) (map[uint64]map[float64]float64, error) {
	found, n := make(map[uint64]map[float64]float64), 0
	body := &io.LimitedReader{R: page, N: maxPage + 1}
	in := bufio.NewScanner(body)
	in.Buffer(make([]byte, 0, 4096), maxLine)
	prefix := s.Name + "_bucket"
	for in.Scan() {
		if !bytes.HasPrefix(in.Bytes(), []byte(prefix)) {
			continue
		}
		name, labels, rest, err := parseSample(in.Text())
		if err != nil || name != prefix || !s.matches(labels) {
			continue
		}
		bound, count, ok := bucket(labels, rest)
		if !ok || bound < limit {
			continue
		}
		id := identity(labels)
		if found[id] == nil {
			found[id] = make(map[float64]float64)
		}
		found[id][bound] = count
		if n++; n > maxBuckets {
			return nil, fmt.Errorf("%s has more than %d buckets", s, maxBuckets)
		}
	}
	if body.N == 0 && in.Err() == nil { // it may end in the middle of a number
		return nil, fmt.Errorf("the page is larger than %d MiB", maxPage>>20)
	}
	return found, in.Err()
}

// bucket reads the upper bound and the count of a line.
func bucket(labels []when.Label, rest string) (bound, count float64, ok bool) {
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, 0, false
	}
	bound, berr := strconv.ParseFloat(valueOf(labels, "le"), 64)
	count, cerr := strconv.ParseFloat(fields[0], 64)
	return bound, count, berr == nil && cerr == nil && !math.IsNaN(bound) && count >= 0 && !math.IsInf(count, 1)
}

var identities = maphash.MakeSeed()

// identity tells a histogram from the others of its name: its labels without le, in the order of the page, which is always the same.
func identity(labels []when.Label) uint64 {
	var h maphash.Hash
	h.SetSeed(identities)
	for _, l := range labels {
		if l.Key != "le" {
			maphash.WriteComparable(&h, l)
		}
	}
	return h.Sum64()
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
	bound time.Duration
	last  map[uint64]Count // also of histograms that the page has no more: it may have them again
}

// Take returns what was counted since the reading before, nothing after the first. As with rate() of PromQL it goes by each histogram: one
// that fell has begun anew, and one that is gone takes nothing away from the others. One that was not there before began at 0. Counts
// up to another bound cannot be compared, and are those of a first reading.
func (h *Histogram) Take(r Reading) (all, over int) {
	if h.last == nil || h.bound != r.Bound {
		h.bound, h.last = r.Bound, maps.Clone(r.Counts)
		return 0, 0
	}
	var n, slow float64
	for id, c := range r.Counts {
		was := h.last[id]
		if c.All < was.All || c.Within < was.Within {
			was = Count{}
		}
		n += c.All - was.All
		slow += max(0, c.All-was.All-(c.Within-was.Within))
		h.last[id] = c
	}
	if len(h.last) > maxBuckets {
		h.last = maps.Clone(r.Counts)
	}
	return int(min(n, 1<<40)), int(min(slow, 1<<40))
}
