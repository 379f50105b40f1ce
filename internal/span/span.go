// Package span finds the ids of traces and spans among a goroutine's labels: where a profile names a span, the tracer has it.
package span

import (
	"strconv"
	"strings"
)

// ID is a span of a trace, in hexadecimal digits as W3C's traceparent has them; "" is one that is not known.
type ID struct {
	Trace string `json:"trace_id,omitempty"` // 32 digits
	Span  string `json:"span_id,omitempty"`  // 16 digits
}

// The keys that tracers and their bridges to pprof labels use. Hexadecimal: OpenTelemetry's attributes and log fields, and
// Pyroscope's otel-profiling-go, whose profile_id is the id of the local root span. Decimal: Datadog's dd-trace-go
// (internal/traceprof).
var (
	traceKeys   = []string{"trace_id", "traceID", "trace.id", "otel.trace_id"}
	spanKeys    = []string{"span_id", "spanID", "span.id", "otel.span_id", "profile_id"}
	decimalKeys = []string{"span id", "local root span id"}
)

// Of finds the ids in labels, which get returns by key, "" for one that is not there. What is no id is left alone, whatever
// its key.
func Of(get func(key string) string) (id ID) {
	id.Trace = hexadecimal(get, traceKeys, 32)
	id.Span = hexadecimal(get, spanKeys, 16)
	for _, key := range decimalKeys {
		if n, err := strconv.ParseUint(get(key), 10, 64); err == nil && n != 0 && id.Span == "" {
			digits := strconv.FormatUint(n, 16)
			id.Span = strings.Repeat("0", 16-len(digits)) + digits
		}
	}
	return id
}

// hexadecimal is the first value that is an id of so many digits: zeros alone are none.
func hexadecimal(get func(key string) string, keys []string, digits int) string {
	for _, key := range keys {
		v := get(key)
		if len(v) == digits && strings.Trim(v, "0") != "" && strings.Trim(v, "0123456789abcdefABCDEF") == "" {
			return strings.ToLower(v)
		}
	}
	return ""
}

// String is both ids as text, "" without any.
func (id ID) String() string {
	var words []string
	if id.Trace != "" {
		words = append(words, "trace "+id.Trace)
	}
	if id.Span != "" {
		words = append(words, "span "+id.Span)
	}
	return strings.Join(words, ", ")
}
