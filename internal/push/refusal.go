package push

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/printable"
)

// refusal is an answer that is not a success.
type refusal struct {
	code    int
	status  string // with its words
	message string
	grpc    bool          // the answer is of gRPC
	asks    bool          // the server asks for a pause,
	after   time.Duration // of this length
}

func (r *refusal) Error() string {
	text := said(r.status)
	if r.code/100 == 3 {
		text += ": no redirect is followed, name the server itself"
	}
	if r.message != "" {
		text += ": " + r.message
	}
	if r.asks {
		text += ", asks for a pause of " + r.after.String()
	}
	return text
}

// grpcType is the media type of gRPC, also of what it answers to who does not speak it; +proto may be behind it.
const grpcType = "application/grpc"

// unavailable is in a 422 of Pyroscope where what it passes a profile on to was not there: it has that code for whatever keeps it from
// storing one (pkg/ingester/pyroscope/ingest_handler.go).
var unavailable = []byte("rpc error: code = Unavailable ")

// refusedBy reads what a server says: OTLP has a google.rpc.Status in it, as JSON if it likes, Connect an object that has a message,
// too (connectrpc.com/docs/protocol), others a text.
func refusedBy(resp *http.Response, answer []byte) *refusal {
	r := &refusal{code: resp.StatusCode, status: resp.Status}
	switch kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); {
	case resp.Header.Get("Content-Encoding") != "":
	case kind == "application/json":
		r.message = said(readMessage(answer))
	case kind == protobufType:
		r.message = said(readStatus(answer))
	case strings.HasPrefix(kind, "text/html"): // the page of a proxy
	case strings.HasPrefix(kind, grpcType): // also application/grpc+proto
		r.grpc, r.message = true, said(resp.Header.Get("Grpc-Message"))
	default:
		r.message = said(strings.TrimSpace(string(answer)))
	}
	if r.code == http.StatusUnprocessableEntity && bytes.Contains(answer, unavailable) {
		r.code = http.StatusServiceUnavailable
	}
	r.after, r.asks = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return r
}

// readMessage is the message of an object in JSON, or all of the text where there is none.
func readMessage(answer []byte) string {
	var object struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(answer, &object); err != nil || object.Message == "" {
		return strings.TrimSpace(string(answer))
	}
	return object.Message
}

// retryAfter reads a Retry-After: seconds, or a date (RFC 9110, 10.2.3).
func retryAfter(text string, now time.Time) (d time.Duration, ok bool) {
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	return max(at.Sub(now), 0), err == nil
}

// errSilent is why a try ends without an answer.
var errSilent = errors.New("no answer in time")

// unreachable is that there was no connection, or no answer.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

// What an answer of another protocol is, which does not pass.
var (
	errNoHTTP = errors.New("its answer is none of HTTP/1")
	errHTTP1  = errors.New("its answer is none of HTTP/2")
)

// lost is the error of a request that has no answer.
func lost(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return unreachable{context.Cause(ctx)}
	case strings.Contains(err.Error(), "malformed HTTP "): // response, version, status code: net/http has no type for it (response.go)
		return errNoHTTP
	case strings.Contains(err.Error(), "looked like an HTTP/1.1 header"): // nor for this one (http2/frame.go)
		return errHTTP1
	}
	return unreachable{withoutURL(err)}
}

// Code is what HTTP has for the answer that an error of Exchange or of a Call is, if there was one.
func Code(err error) (code int, answered bool) {
	var refused *refusal
	if !errors.As(err, &refused) {
		return 0, false
	}
	return refused.code, true
}

// mayPass says whether another try can end otherwise. That a server is not who it should be, or does not speak TLS, does not pass.
func mayPass(err error) bool {
	var refused *refusal
	if errors.As(err, &refused) {
		switch refused.code {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	var certificate *tls.CertificateVerificationError
	return errors.As(err, new(unreachable)) && !errors.As(err, &certificate) && !errors.As(err, new(tls.RecordHeaderError)) &&
		!errors.Is(err, http.ErrSchemeMismatch)
}

// OfProfile says whether an error of Send is what the server says of the profile, such as that it is too large: others may arrive. Else
// none does until something else has changed: the network, the server, or who asks it and where.
func OfProfile(err error) bool {
	var refused *refusal
	if !errors.As(err, &refused) || refused.grpc {
		return false
	}
	switch refused.code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusProxyAuthRequired, http.StatusRequestTimeout:
		return false
	}
	return refused.code/100 >= 4 && !mayPass(err)
}

// withoutURL is an error of a request, whose URL may be a secret.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// mostSaid is how much of what a server says is said, in bytes.
const mostSaid = 200

// said is what a server says, as it can be printed.
func said(text string) string {
	if len(text) > mostSaid {
		text = text[:mostSaid] + "..."
	}
	return printable.Line(text)
}
