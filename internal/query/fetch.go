package query

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mayfly-profiler/mayfly/internal/push"
	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// Client asks servers.
type Client struct {
	Header    http.Header   // of requests; secrets may be in it, and no error has any of it
	Timeout   time.Duration // for one profile
	UserAgent string
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// ErrNoData is that the server has no profile of what it was asked for.
var ErrNoData = errors.New("no data in this range: is the service, a label or the type misspelt, or the range older than what is kept?")

var errSilent = errors.New("no answer in time: ask for a shorter range")

func (q *Query) errNoServer() error {
	return fmt.Errorf("is that the address of a %s server?", q.of.name)
}

// Fetch returns a profile in profile.proto's encoding, compressed or not, of most bytes at most. It has at least one sample, and says
// how long it took: if the server does not, that is the range. Errors are one line with the query in it; ErrNoData is wrapped.
func (c *Client) Fetch(ctx context.Context, q *Query, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errSilent)
	defer cancel()
	body, err := q.of.ask(ctx, c, q, most)
	if errors.Is(err, push.ErrLong) {
		err = fmt.Errorf("%w: more than %d bytes: ask for a shorter range", samples.ErrTooLarge, most)
	}
	if err == nil {
		body, err = q.finish(body)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q, err)
	}
	return body, nil
}

// header is what each request has.
func (c *Client) header(q *Query) http.Header {
	h := make(http.Header)
	h.Set("User-Agent", c.UserAgent)
	if q.user != nil {
		password, _ := q.user.Password()
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(q.user.Username()+":"+password)))
	}
	maps.Copy(h, c.Header)
	return h
}

// withRemedy says what to do about an answer that is none, or about none.
func (q *Query) withRemedy(err error) error {
	switch code, answered := push.Code(err); {
	case errors.Is(err, push.ErrLong), errors.Is(err, errSilent), errors.Is(err, context.Canceled):
		return err
	case !answered:
		return fmt.Errorf("%w: is the server up, and the port its HTTP port?", err)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("%w: give USER:PASSWORD@ before the host, or --header", err)
	case code == http.StatusNotFound:
		return fmt.Errorf("%w: %w", err, q.errNoServer())
	}
	return err
}

// finish adds what a server leaves out. Of a profile without samples it is ErrNoData: a server answers with an empty message, or with
// one that has all but samples (pkg/frontend/readpath/queryfrontend/query_select_merge_profile.go; pkg/pprof/merge.go,
// ProfileMerge.Profile). The duration is the range in one kind of storage (pkg/querier/querier.go, SelectMergeProfile), less those parts
// of it that were asked for separately and have no data, and 0 in the other (pkg/pprof/pprof.go, SetProfileMetadata).
func (q *Query) finish(body []byte) ([]byte, error) {
	if empty(body) {
		return nil, ErrNoData
	}
	file, err := samples.Open(bytes.NewReader(body), "the answer")
	if err != nil {
		return nil, err
	}
	has := false
	for range file.Each() {
		has = true
		break
	}
	switch {
	case file.Err() != nil:
		return nil, file.Err()
	case !has:
		return nil, ErrNoData
	case file.Head.DurationNanos != 0:
		return body, nil
	}
	duration := protowire.AppendTag(nil, 10, protowire.VarintType) // duration_nanos
	return with(body, protowire.AppendVarint(duration, uint64(q.until.Sub(q.from)))), nil
}

// with is a profile with another value of a field: of two the last one counts (protobuf.dev, "Last One Wins"). What is compressed may
// have several members (RFC 1952, 2.2).
func with(body, field []byte) []byte {
	if _, err := gzip.NewReader(bytes.NewReader(body)); err != nil {
		return append(body, field...)
	}
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	_, _ = z.Write(field) // to memory
	_ = z.Close()
	return append(body, member.Bytes()...)
}

// empty says whether a message is, compressed or not.
func empty(body []byte) bool {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return len(body) == 0
	}
	n, err := io.ReadFull(z, make([]byte, 1))
	return n == 0 && errors.Is(err, io.EOF)
}
