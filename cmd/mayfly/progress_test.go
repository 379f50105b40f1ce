package main

import (
	"bytes"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &progress{w: &out, width: func() int { return 11 }, now: func() time.Time { return now }}
	p.show("%d samples", 1)
	now = now.Add(progressEvery - 1)
	p.show("too soon")
	now = now.Add(1)
	p.show("%d samples", 1234567890)
	p.clear()
	p.clear()
	want := "\r\x1b[K1 samples\r\x1b[K123456789…\r\x1b[K"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

// TestProgressNoTerminal shows that a file gets no progress line, and words get no escapes.
func TestProgressNoTerminal(t *testing.T) {
	var out bytes.Buffer
	e := &env{stderr: &out, getenv: func(string) string { return "" }}
	line := progressLine(e)
	line.show("10 %%")
	e.say("done")
	e.quiet = true
	e.say("nobody hears this")
	e.warn("but this")
	e.detail("and not this")
	if want := "mayfly: done\nmayfly: but this\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 2, "ä…"}, {"abc", 0, ""}, {"abc", -1, ""}, {"abc", 1, "…"}} {
		if got := cut(tt.in, tt.n); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}
