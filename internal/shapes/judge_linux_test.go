package shapes

import (
	"slices"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/report"
)

// TestJudge holds what is made of a report against what it says.
func TestJudge(t *testing.T) {
	pool := truth{Kinds: []string{"pool"}, Functions: []string{"main.insert"}, Peer: "db", Limit: 3}
	peers := map[string]string{"db": "127.0.0.1:5432"}
	route := truth{Kinds: pool.Kinds, Functions: pool.Functions, SLO: "p99<10ms", By: "route", Group: "/a", Path: "/a"}
	in := func(group string, requests, slow int) said {
		asked := slices.Concat(make([]int64, 60), slices.Repeat([]int64{20e6}, 40))
		return said{Group: map[string]string{"route": group}, Requests: requests, Slow: slow, asked: asked,
			Cause: &cause{Kind: "pool", Function: "main.insert", Confidence: 0.7}}
	}
	good := cause{Kind: "pool", Function: "main.insert", Peer: "127.0.0.1:5432", Limit: 3, Confidence: 0.95}
	with := func(change func(*cause)) *cause {
		c := good
		change(&c)
		return &c
	}
	for _, x := range []struct {
		name string
		of   truth
		said said
		want outcome
	}{
		{"all of it", pool, said{Cause: &good}, right},
		{"another kind", pool, said{Cause: with(func(c *cause) { c.Kind = "cpu" })}, worst},
		{"another kind, at a guess", pool, said{Cause: with(func(c *cause) { c.Kind, c.Confidence = "cpu", 0.7 })}, wrong},
		{"another kind, hardly believed", pool, said{Cause: with(func(c *cause) { c.Kind, c.Confidence = "cpu", 0.5 })}, unknown},
		{"another function", pool, said{Cause: with(func(c *cause) { c.Function = "main.main" })}, worst},
		{"a helper", pool, said{Cause: with(func(c *cause) { c.Function = "main.ask" })}, worst},
		{"a helper and who called it", pool, said{Cause: with(func(c *cause) { c.Function, c.Chain = "main.ask", []string{"in main.insert"} })},
			right},
		{"another peer", pool, said{Cause: with(func(c *cause) { c.Peer = "127.0.0.1:80" })}, worst},
		{"another limit", pool, said{Cause: with(func(c *cause) { c.Limit = 4 })}, worst},
		{"no limit", pool, said{Cause: with(func(c *cause) { c.Limit = 0 })}, partly},
		{"no peer", pool, said{Cause: with(func(c *cause) { c.Peer = "" })}, partly},
		{"a group", route, in("/a", 95, 35), right},
		{"another group", route, in("/b", 95, 35), wrong},
		{"a group with requests of another", route, in("/a", 120, 40), wrong},
		{"a group with fast requests of another in the place of slow ones", route, in("/a", 100, 20), wrong},
		{"none", pool, said{Verdict: "undecided"}, unknown},
		{"unknown", pool, said{Cause: &cause{Kind: "unknown", Confidence: 0.9}}, unknown},
		{"met", truth{Met: true}, said{Verdict: "met"}, right},
		{"met, and silent about what is before", truth{Met: true, Before: true}, said{Verdict: "met"}, partly},
		{"met, and clients wait before", truth{Met: true, Before: true},
			said{Verdict: "met", Notes: []string{"clients wait before the handlers: 3"}}, right},
		{"a cause of nothing", truth{Met: true}, said{Verdict: "broken", Cause: &good}, worst},
	} {
		if got, off := x.of.judge(x.said, peers); got != x.want {
			t.Errorf("%s: %s (%s), want %s", x.name, got, off, x.want)
		}
	}
}

// TestUnfit has recordings of which the truth is another one than the shape's.
func TestUnfit(t *testing.T) {
	window := said{Window: report.Window{From: 0, To: 100e9}}
	of := func(cpu int64, paths ...string) (r recording) {
		r.profile = &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu"}}, DurationNanos: 10e9}
		r.profile.Sample = []*profile.Sample{{Value: []int64{cpu}}}
		for _, path := range paths {
			r.world.Answers = append(r.world.Answers, seen{Path: path, Begin: 1e9, Length: 1e9})
		}
		return r
	}
	for _, x := range []struct {
		name string
		of   truth
		r    recording
		want string
	}{
		{"as it should be", truth{SLO: "p99<10ms", Slows: "/large", Quota: 0.5}, of(4e9, "/large", "/small"), ""},
		{"of any path", truth{SLO: "p99<10ms"}, of(0, "/large", "/small"), ""},
		{"all is slow", truth{SLO: "p99<10ms", Slows: "/large"}, of(4e9, "/large", "/small", "/small"), "only 1 of 3 slow answers are to /large"},
		{"no CPU to use up", truth{SLO: "p99<10ms", Quota: 0.5}, of(2e9), "the machine left it 0.20 CPUs of a quota of 0.50"},
		{"late for the clients", truth{SLO: "p99<10ms", Met: true}, of(0, "/"), "even the clients see it late"},
		{"late for the clients, before a handler", truth{SLO: "p99<10ms", Met: true, Before: true}, of(0, "/"), ""},
	} {
		if got := x.of.unfit(x.r, window); got != x.want {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}
