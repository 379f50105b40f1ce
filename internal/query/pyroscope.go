package query

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mayfly-profiler/mayfly/internal/push"
)

// procedure is where Pyroscope answers (api/querier/v1/querier.proto, QuerierService: "scope/public"), by the Connect protocol: the
// request and the answer of a unary RPC are the messages as they are (connectrpc.com/docs/protocol).
const (
	procedure   = "/querier.v1.QuerierService/SelectMergeProfile"
	messageType = "application/proto"
)

func askPyroscope(ctx context.Context, c *Client, q *Query, most int64) ([]byte, error) {
	req, err := c.request(ctx, q)
	if err != nil {
		return nil, q.errNoServer() // the error has the URL in it
	}
	resp, body, err := push.Exchange(c.Transport, req, most+1)
	if err != nil {
		return nil, q.withRemedy(err)
	}
	if int64(len(body)) > most {
		return nil, push.ErrLong
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != messageType {
		return nil, fmt.Errorf("the answer is %.40q, and no profile: %w", kind, q.errNoServer())
	}
	return body, nil
}

func (c *Client) request(ctx context.Context, q *Query) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.server.JoinPath(procedure).String(), bytes.NewReader(q.message()))
	if err != nil {
		return nil, err
	}
	req.Header = c.header(q)
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
