package push

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// statuses are gRPC's, by their numbers (gRPC, "Status codes and their use in gRPC"), with those of HTTP that have it tried again, kept
// or given up alike: OTLP says which pass (OTLP Specification 1.10, "OTLP/gRPC Failures").
var statuses = [...]struct {
	name string
	http int
}{
	{"OK", http.StatusOK},
	{"CANCELLED", http.StatusServiceUnavailable},
	{"UNKNOWN", http.StatusInternalServerError},
	{"INVALID_ARGUMENT", http.StatusBadRequest},
	{"DEADLINE_EXCEEDED", http.StatusGatewayTimeout},
	{"NOT_FOUND", http.StatusNotFound},
	{"ALREADY_EXISTS", http.StatusConflict},
	{"PERMISSION_DENIED", http.StatusForbidden},
	{"RESOURCE_EXHAUSTED", http.StatusRequestEntityTooLarge}, // with a pause that is asked for it passes
	{"FAILED_PRECONDITION", http.StatusBadRequest},
	{"ABORTED", http.StatusServiceUnavailable},
	{"OUT_OF_RANGE", http.StatusServiceUnavailable},
	{"UNIMPLEMENTED", http.StatusNotFound},
	{"INTERNAL", http.StatusInternalServerError},
	{"UNAVAILABLE", http.StatusServiceUnavailable},
	{"DATA_LOSS", http.StatusServiceUnavailable},
	{"UNAUTHENTICATED", http.StatusUnauthorized},
}

var errNoStatus = errors.New("its answer has no status of gRPC: is there a proxy that drops trailers?")

// statusOf is what the trailers of an answer say, nil if that is OK.
func statusOf(trailers http.Header) error {
	text := trailers.Get("Grpc-Status")
	code, err := strconv.ParseUint(text, 10, 32)
	switch {
	case err != nil:
		return errNoStatus
	case code == 0:
		return nil
	case code >= uint64(len(statuses)):
		return &refusal{code: http.StatusInternalServerError, status: fmt.Sprintf("status %d of gRPC", code)}
	}
	r := &refusal{code: statuses[code].http, status: statuses[code].name}
	message := trailers.Get("Grpc-Message")
	if plain, err := url.PathUnescape(message); err == nil {
		message = plain
	}
	r.message = said(message)
	r.after, r.asks = retryInfo(trailers.Get("Grpc-Status-Details-Bin"))
	if r.asks && r.code == http.StatusRequestEntityTooLarge {
		r.code = http.StatusTooManyRequests
	}
	return r
}

// retryInfo reads for how long a server asks to wait: a google.rpc.RetryInfo among the details of a google.rpc.Status, field 3, in base64.
func retryInfo(details string) (after time.Duration, asks bool) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "="))
	if err != nil {
		return 0, false
	}
	_ = fields(b, func(number protowire.Number, _ uint64, detail []byte) error { // what does not parse asks for nothing
		if number == 3 && !asks {
			after, asks = retryDelay(detail)
		}
		return nil
	})
	return after, asks
}

// retryDelay is that of a google.protobuf.Any with a RetryInfo: type_url, field 1, and value, field 2, in which field 1 is a Duration of
// seconds and nanoseconds.
func retryDelay(detail []byte) (after time.Duration, asks bool) {
	_, kind := field(detail, 1)
	_, info := field(detail, 2)
	_, delay := field(info, 1)
	seconds, _ := field(delay, 1)
	nanos, _ := field(delay, 2)
	after = time.Duration(min(seconds, 1<<32))*time.Second + time.Duration(min(nanos, uint64(time.Second)))
	return after, strings.HasSuffix(string(kind), "/google.rpc.RetryInfo")
}
