package span

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	const trace, id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, tt := range []struct {
		labels map[string]string
		want   ID
	}{
		{map[string]string{"trace_id": trace, "span_id": id}, ID{trace, id}},
		{map[string]string{"trace_id": strings.ToUpper(trace)}, ID{Trace: trace}},
		{map[string]string{"profile_id": id, "span_name": "GET /"}, ID{Span: id}},
		{map[string]string{"span id": "67667974448284343", "local root span id": "1"}, ID{Span: id}},
		{map[string]string{"local root span id": "1"}, ID{Span: "0000000000000001"}},
		{map[string]string{"span id": "18446744073709551615"}, ID{Span: "ffffffffffffffff"}},
		{map[string]string{"trace_id": strings.Repeat("0", 32), "span_id": "7", "span id": "x"}, ID{}},
		{map[string]string{"trace_id": trace[1:] + "g"}, ID{}},
		{nil, ID{}},
	} {
		if got := Of(func(key string) string { return tt.labels[key] }); got != tt.want {
			t.Errorf("%v: %+v, want %+v", tt.labels, got, tt.want)
		}
	}
	if got := (ID{trace, id}).String(); got != "trace "+trace+", span "+id || (ID{}).String() != "" {
		t.Errorf("%q", got)
	}
}
