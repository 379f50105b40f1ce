package push

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// A unary call of gRPC is a POST over HTTP/2, whose body is the message behind a head of five bytes: flags and length. The answer is such
// a frame, too, and behind it comes the status, as trailers (gRPC over HTTP/2, "Requests", "Responses"). Of gRPC-Web, for which HTTP/1
// will do, the trailers are a frame themselves ("Protocol differences vs gRPC over HTTP2"). With net/http that is this file, and
// google.golang.org/grpc would be in the module graph of everybody who imports a package of mayfly.

// grpcWebType is the media type of gRPC-Web.
const grpcWebType = "application/grpc-web"

// The head of a frame: a byte of flags and the length of what follows, big-endian.
const (
	frameHead     = 5
	frameGzip     = 1 << 0
	frameTrailers = 1 << 7 // gRPC-Web
)

// Call is a unary call.
type Call struct {
	URL     *url.URL // of the method: http or https, and /PACKAGE.SERVICE/METHOD behind what the server has before it
	Header  http.Header
	Message []byte
	Gzip    bool // the message is compressed
	Web     bool // by gRPC-Web; else the transport must have HTTP/2
}

// What an answer can be instead of one.
var (
	ErrLong   = errors.New("its answer is too long")
	errNoGRPC = errors.New("its answer is none of gRPC")
	errCut    = errors.New("its answer is cut off")
)

// Do makes the call once and returns what is answered, of most bytes at most: where there is more, that is ErrLong. Errors are those of
// Exchange; a status of gRPC other than OK is one as an answer of HTTP that is no success is.
func (c *Call) Do(ctx context.Context, transport http.RoundTripper, most int64) ([]byte, error) {
	req, err := c.request(ctx)
	if err != nil {
		return nil, withoutURL(err)
	}
	limit := most + 2*frameHead + mostAnswer // trailers may be a frame
	resp, body, err := Exchange(transport, req, limit)
	switch {
	case err != nil:
		return nil, err
	case int64(len(body)) == limit:
		return nil, ErrLong
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); !strings.HasPrefix(kind, grpcType) {
		return nil, errNoGRPC
	}
	return c.read(resp, body, most)
}

func (c *Call) request(ctx context.Context) (*http.Request, error) {
	body := make([]byte, frameHead, frameHead+len(c.Message))
	binary.BigEndian.PutUint32(body[1:], uint32(len(c.Message))) // what is sent is far below 4 GiB
	if c.Gzip {
		body[0] = frameGzip
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL.String(), bytes.NewReader(append(body, c.Message...)))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, c.Header)
	kind := grpcType
	if c.Web {
		kind = grpcWebType
		req.Header.Set("X-Grpc-Web", "1")
	} else {
		req.Header.Set("Te", "trailers")
	}
	if c.Gzip {
		req.Header.Set("Grpc-Encoding", "gzip")
	}
	req.Header.Set("Content-Type", kind+"+proto")
	req.Header.Set("Grpc-Accept-Encoding", "identity,gzip")
	req.Header.Set("Accept-Encoding", "identity") // frames are what is compressed
	return req, nil
}

// read takes the message out of an answer.
func (c *Call) read(resp *http.Response, body []byte, most int64) ([]byte, error) {
	list, err := frames(body)
	if err != nil {
		return nil, err
	}
	trailers := resp.Trailer
	if len(trailers) == 0 {
		trailers = resp.Header // "Trailers-Only"
	}
	if last := len(list) - 1; c.Web && last >= 0 && list[last].flags == frameTrailers {
		trailers, list = list[last].trailers(), list[:last]
	}
	switch err = statusOf(trailers); {
	case err != nil:
		return nil, err
	case len(list) != 1:
		return nil, errNoGRPC
	}
	return list[0].message(resp.Header.Get("Grpc-Encoding"), most)
}

// frame is one of an answer.
type frame struct {
	flags byte
	text  []byte
}

func frames(body []byte) (list []frame, err error) {
	for len(body) > 0 && len(list) < 3 { // a message and trailers are two
		if len(body) < frameHead || int64(len(body)-frameHead) < int64(binary.BigEndian.Uint32(body[1:])) {
			return nil, errCut
		}
		text := body[frameHead:][:binary.BigEndian.Uint32(body[1:])]
		list = append(list, frame{body[0], text})
		body = body[frameHead+len(text):]
	}
	return list, nil
}

// trailers reads those of gRPC-Web: lines as those of a header.
func (f frame) trailers() http.Header {
	h := make(http.Header)
	for line := range strings.SplitSeq(string(f.text[:min(len(f.text), mostAnswer)]), "\n") {
		key, value, _ := strings.Cut(line, ":")
		h.Set(strings.TrimSpace(key), strings.TrimSpace(value))
	}
	return h
}

// message is that of a frame, of most bytes at most.
func (f frame) message(encoding string, most int64) (text []byte, err error) {
	switch {
	case f.flags == 0:
		text = f.text
	case f.flags == frameGzip && encoding == "gzip":
		z, err := gzip.NewReader(bytes.NewReader(f.text))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoGRPC, err)
		}
		if text, err = io.ReadAll(io.LimitReader(z, most+1)); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoGRPC, err)
		}
	default:
		return nil, errNoGRPC
	}
	if int64(len(text)) > most {
		return nil, ErrLong
	}
	return text, nil
}
