package query

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

func TestParse(t *testing.T) {
	at := func(text string) time.Time {
		u, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	hour := clock.Add(-time.Hour)
	for _, tt := range []struct {
		text, server, kind, selector string
		from, until                  time.Time
	}{
		{"pyroscope://h:4040/shop", "http://h:4040", defaultType, `{service_name="shop"}`, hour, clock},
		{"pyroscopes://u:p@h/a/b%20%22c%22?", "https://h", defaultType, `{service_name="a/b \"c\""}`, hour, clock},
		{"pyroscope://[::1]:1/s?type=a:b:c:d:e&x=1&y!=2&z=~3&_q!~4", "http://[::1]:1", "a:b:c:d:e",
			`{service_name="s",x="1",y!="2",z=~"3",_q!~"4"}`, hour, clock},
		{"pyroscope://h/s?a=%7Eb%2C%26&c==&d=", "http://h", defaultType, `{service_name="s",a="~b,&",c="=",d=""}`, hour, clock},
		{"pyroscope://h/s?from=now-90m&until=-1h", "http://h", defaultType, `{service_name="s"}`, clock.Add(-90 * time.Minute), hour},
		{"pyroscope://h/s?from=2026-01-02T03:04:05+02:00&until=1767366245", "http://h", defaultType, `{service_name="s"}`,
			at("2026-01-02T01:04:05Z"), clock},
	} {
		all, err := Parse(tt.text, clock)
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %v, %v", tt.text, all, err)
		}
		q := all[0]
		if q.server.String() != tt.server || q.kind != tt.kind || q.selector != tt.selector || !q.from.Equal(tt.from) ||
			!q.until.Equal(tt.until) {
			t.Errorf("%s: %v %s %s, %s", tt.text, q.server, q.kind, q.selector, q)
		}
	}
}

// What is no address is an error without the text, which may have a secret in it.
func TestBadAddress(t *testing.T) {
	for text, want := range map[string]string{
		"http://u:secret@h/s": "want pyroscope://", "pyroscope://u:secret@h": "no name of a service", "pyroscope://u:secret@/s": "want pyro",
		"pyroscope://u:secret@h:port/s": "want pyro", "pyroscope://h/s?secret": "behind ? are", "pyroscope://h/s#secret": "want pyro",
		"pyroscope://h/s?9=secret": "KEY is letters", "pyroscope://h/s?a=%zzsecret": "a: its value has a percent sign",
		"pyroscope://h/s?from=secret": "from: want now", "pyroscope://h/s?until=0": "until: want now", "pyroscope://h/s?from=now2h": "from: want",
		"pyroscope://h/s?from=-1h&until=-2h": "from is not before until", "pyroscope://h/s?from=now": "from is not before until",
		"pyroscope://h/s?until=99999999999": "until: want now", "pyroscope://h/s?from!=now": "from!=: want from=",
		"pyroscope://h/s?type=secret": "type: want NAME:", "pyroscope://h/s?step=secret": "step: want a duration",
		"pyroscope://h/s?step=0": "step: want a duration", "pyroscope://h/s?step=1s": "step=1s: 1h0m0s has more than 100 of them",
	} {
		all, err := Parse(text, clock)
		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v", text, all, err)
		}
	}
}

// A range that is cut has pieces of the same length, no longer than the step, one after the other.
func TestStep(t *testing.T) {
	for text, want := range map[string]int{"step=10m": 6, "step=1h": 1, "step=2h": 1, "step=7m": 9, "step=36s": 100, "step=59m59s": 2} {
		all, err := Parse("pyroscope://h/s?"+text, clock)
		if err != nil || len(all) != want {
			t.Fatalf("%s: %d pieces, %v", text, len(all), err)
		}
		at := clock.Add(-time.Hour)
		for _, q := range all {
			if d := q.until.Sub(q.from); !q.from.Equal(at) || (d-time.Hour/time.Duration(want)).Abs() > time.Millisecond {
				t.Errorf("%s: %s", text, q)
			}
			at = q.until
		}
		if !at.Equal(clock) {
			t.Errorf("%s ends at %s", text, at)
		}
	}
}

func TestIs(t *testing.T) {
	for text, want := range map[string]bool{"parca://h": true, "pyroscope://h/s": true,
		"pyroscopes://": true, "./pyroscope://h/s": false, "http://h/s": false,
		"pyroscope:/h": false, "": false, "a,pyroscope://h/s": false} {
		if Is(text) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

// Whatever an address has in it, what is asked for is one message in UTF-8, and its pieces follow each other.
func FuzzParse(f *testing.F) {
	f.Add("pyroscope://u:p@h:1/s?from=-2h&until=now-1h&step=10m&a=~b&c!=%2C")
	f.Add("pyroscopes://h/%ff?from=2026-01-02T03:04:05Z&until=1767366245&type=a:b:c:d:e")
	f.Add(`parcas://h/a:b:c:d:e:delta{job="shop",env=~"p.*"}?step=10m&x!=1`)
	f.Fuzz(func(t *testing.T, text string) {
		cost.Small.Hold(t, func() {
			all, err := Parse(text, clock)
			if (err == nil) != (len(all) > 0) || len(all) > mostPieces {
				t.Fatalf("%d, %v", len(all), err)
			}
			for i, q := range all {
				if !q.from.Before(q.until) || i > 0 && !q.from.Equal(all[i-1].until) || len(q.message()) == 0 ||
					len(q.parcaMessage()) == 0 || !utf8.ValidString(q.selector) {
					t.Errorf("%s: %+v", q, q)
				}
			}
		})
	})
}
