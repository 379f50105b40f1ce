package when

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseObjective(t *testing.T) {
	for text, want := range map[string]struct {
		written, breach string
		budget          float64
		limit           time.Duration
	}{
		"p99<800ms":                    {"p99<800ms", "p99>=800ms", 0.01, 800 * time.Millisecond},
		" p99.9 ( a = b , r ) < 1.5 s": {"p99.9(a=b,r)<1.5s", "p99.9(a=b,r)>=1.5s", 0.001, 1500 * time.Millisecond},
		`mean(q="x, y",e="")<1m30s`:    {`mean(q="x, y",e="")<1m30s`, `mean(q="x, y",e="")>=1m30s`, 0, 90 * time.Second},
	} {
		o, err := ParseObjective(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if o.String() != want.written || o.Breach().String() != want.breach || o.Breach().Op != ">=" || o.Op != "<" ||
			math.Abs(o.Budget()-want.budget) > 1e-12 || o.Limit() != want.limit {
			t.Errorf("%q: %s, %s, budget %v, limit %v", text, o, o.Breach(), o.Budget(), o.Limit())
		}
	}
	for text, want := range map[string]string{
		"p99>800ms": "not >", "p99<=800ms": "not <=", "max<1s": "max is no objective", "count<5": "count is no objective",
		"p99<0s": "less than 0", "p99": "no >",
	} {
		if o, err := ParseObjective(text); err == nil || !strings.HasPrefix(err.Error(), "slo ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, o, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	o, err := ParseObjective(`p99(endpoint=/fulfil,tenant="")<1s`)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		labels map[string]string
		want   bool
	}{
		{nil, false},
		{map[string]string{"endpoint": "/fulfil"}, false},
		{map[string]string{"endpoint": "/fulfil", "tenant": "", "request": "1"}, true},
		{map[string]string{"endpoint": "/status", "tenant": ""}, false},
	} {
		if got := o.Matches(x.labels); got != x.want {
			t.Errorf("%v: %v", x.labels, got)
		}
	}
}
