package query

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mayfly-profiler/mayfly/internal/push"
	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// parcaMethod is where Parca answers (proto/parca/query/v1alpha1/query.proto, QueryService), asked by gRPC-Web as its own pages ask: that
// passes through proxies of HTTP/1, and an answer may have more than the 4 MiB that its JSON at /api/profiles/query may be of
// (pkg/server/server.go).
const parcaMethod = "/api/parca.query.v1alpha1.QueryService/Query"

var errNoDelta = errors.New("the type does not end with " + delta + ": of what was scraped at moments a server adds up all scrapes " +
	"of a range, which says how many there were")

// readParca takes the path for a selector: TYPE{LABELS} with the labels as PromQL has them, either of which may be missing.
func (q *Query) readParca(path string) ([]matcher, error) {
	kind, labels, braced := strings.Cut(path, "{")
	if kind != "" {
		q.kind = kind
	} else {
		q.kind += delta
	}
	switch parts := strings.Count(q.kind, ":") + 1; {
	case parts == 5:
		return nil, errNoDelta
	case parts != 6 || !strings.HasSuffix(q.kind, delta) || strings.ContainsFunc(q.kind, inNoType):
		return nil, errSelector
	}
	q.place = q.kind
	if !braced {
		return nil, nil
	}
	labels, closed := strings.CutSuffix(strings.TrimSpace(labels), "}")
	if !closed {
		return nil, errSelector
	}
	return readMatchers(labels)
}

// inNoType says whether a character is in no type of a profile.
func inNoType(r rune) bool { return r <= ' ' || r == '"' || r == '}' || r >= 0x7f }

// parcaMessage is a QueryRequest: mode, field 1, with a MergeProfile, field 3, of query, start and end, and the type of the report, 5.
func (q *Query) parcaMessage() []byte {
	merge := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), q.kind+q.selector)
	merge = protowire.AppendBytes(protowire.AppendTag(merge, 2, protowire.BytesType), timestamp(q.from))
	// A profile that began at the end is in it (pkg/parcacol/querier.go, selectMerge), and would be in the range that follows, too.
	merge = protowire.AppendBytes(protowire.AppendTag(merge, 3, protowire.BytesType), timestamp(q.until.Add(-1)))
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2) // MODE_MERGE
	b = protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), merge)
	return protowire.AppendVarint(protowire.AppendTag(b, 5, protowire.VarintType), 1) // REPORT_TYPE_PPROF
}

// timestamp is a google.protobuf.Timestamp.
func timestamp(t time.Time) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(t.Unix()))
	return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(t.Nanosecond()))
}

func askParca(ctx context.Context, c *Client, q *Query, most int64) ([]byte, error) {
	call := &push.Call{URL: q.server.JoinPath(parcaMethod), Header: c.header(q), Message: q.parcaMessage(), Web: true}
	answer, err := call.Do(ctx, c.Transport, most)
	if err != nil {
		return nil, q.withRemedy(err)
	}
	body, ok := pprofOf(answer)
	if !ok {
		return nil, fmt.Errorf("the answer has no profile: %w", q.errNoServer())
	}
	if empty(body) {
		return nil, ErrNoData
	}
	return begunAt(body, q.from)
}

// begunAt is a profile with another time_nanos, field 9, which may be there once. Parca's is one of the year 2173, as it multiplies
// nanoseconds (pkg/query/pprof.go, NewPprofWriter).
func begunAt(body []byte, t time.Time) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the answer: not a pprof profile: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, samples.DefaultMost+1))
	if err != nil {
		return nil, fmt.Errorf("the answer: not a pprof profile: %w", err)
	}
	if len(plain) > samples.DefaultMost {
		return nil, fmt.Errorf("the answer: %w", samples.ErrTooLarge)
	}
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed) // to memory: writing does not fail
	ok := eachField(plain, func(number protowire.Number, whole, _ []byte) {
		if number != 9 {
			_, _ = w.Write(whole)
		}
	})
	if !ok {
		return nil, errors.New("the answer: not a pprof profile")
	}
	_, _ = w.Write(protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), uint64(t.UnixNano())))
	_ = w.Close()
	return compressed.Bytes(), nil
}

// pprofOf is the profile in a QueryResponse, field 6.
func pprofOf(b []byte) (body []byte, ok bool) {
	whole := eachField(b, func(number protowire.Number, _, value []byte) {
		if number == 6 {
			body, ok = value, true
		}
	})
	return body, ok && whole
}

// eachField calls f with each field of a message, and with its value if that is bytes. It returns whether the message is one.
func eachField(b []byte, f func(number protowire.Number, whole, value []byte)) bool {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return false
		}
		var value []byte
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(b[n:])
		}
		f(number, b[:n+size], value)
		b = b[n+size:]
	}
	return true
}
