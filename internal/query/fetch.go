package query

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
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

var (
	errSilent   = errors.New("no answer in time: ask for a shorter range")
	errNoServer = errors.New("is that the address of a Pyroscope server?")
)

// procedure is where Pyroscope answers (api/querier/v1/querier.proto, QuerierService: "scope/public"), by the Connect protocol: the
// request and the answer of a unary RPC are the messages as they are (connectrpc.com/docs/protocol).
const (
	procedure   = "/querier.v1.QuerierService/SelectMergeProfile"
	messageType = "application/proto"
)

// Fetch returns a profile in profile.proto's encoding, compressed or not, of most bytes at most. It has at least one sample, and says
// how long it took: if the server does not, that is the range. Errors are one line with the query in it; ErrNoData is wrapped.
func (c *Client) Fetch(ctx context.Context, q *Query, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errSilent)
	defer cancel()
	body, err := c.ask(ctx, q, most)
	if err == nil {
		body, err = q.finish(body)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q, err)
	}
	return body, nil
}

func (c *Client) ask(ctx context.Context, q *Query, most int64) ([]byte, error) {
	req, err := c.request(ctx, q)
	if err != nil {
		return nil, errNoServer // the error has the URL in it
	}
	resp, body, err := push.Exchange(c.Transport, req, most+1)
	if err != nil {
		return nil, withRemedy(resp, err)
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("%w: more than %d bytes: ask for a shorter range", samples.ErrTooLarge, most)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != messageType {
		return nil, fmt.Errorf("the answer is %.40q, and no profile: %w", kind, errNoServer)
	}
	return body, nil
}

func (c *Client) request(ctx context.Context, q *Query) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.server.JoinPath(procedure).String(), bytes.NewReader(q.message()))
	if err != nil {
		return nil, err
	}
	if q.user != nil {
		password, _ := q.user.Password()
		req.SetBasicAuth(q.user.Username(), password)
	}
	req.Header.Set("User-Agent", c.UserAgent)
	maps.Copy(req.Header, c.Header)
	req.Header.Set("Content-Type", messageType)
	req.Header.Set("Connect-Protocol-Version", "1")
	req.Header.Set("Accept-Encoding", "gzip") // it stays compressed as files are, and what it decompresses to is bounded as of those
	return req, nil
}

// message is a SelectMergeProfileRequest (api/querier/v1/querier.proto): profile_typeID, label_selector, start and end, in
// milliseconds. A server takes profiles that began at either of them and between (pkg/querybackend/query_profile_entry.go,
// NewIntBetweenPredicate), so the end of a range that is followed by another is a millisecond earlier.
func (q *Query) message() []byte {
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), q.kind)
	b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), q.selector)
	b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(q.from.UnixMilli()))
	return protowire.AppendVarint(protowire.AppendTag(b, 4, protowire.VarintType), uint64(q.until.UnixMilli()-1))
}

// withRemedy says what to do about an answer that is none, or about none.
func withRemedy(resp *http.Response, err error) error {
	switch {
	case resp == nil && !errors.Is(err, errSilent) && !errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: is the server up, and the port its HTTP port?", err)
	case resp == nil:
		return err
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: give USER:PASSWORD@ before the host, or --header", err)
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %w", err, errNoServer)
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
	return lasting(body, q.until.Sub(q.from)), nil
}

// lasting is a profile with another duration: duration_nanos is field 10, and of two the last one counts (protobuf.dev, "Last One
// Wins"). What is compressed may have several members (RFC 1952, 2.2).
func lasting(body []byte, d time.Duration) []byte {
	field := protowire.AppendVarint(protowire.AppendTag(nil, 10, protowire.VarintType), uint64(d))
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
