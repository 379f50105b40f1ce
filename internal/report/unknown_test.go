package report

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestJudgeAmong has requests of which nobody knows whether they belong to those that are judged.
func TestJudgeAmong(t *testing.T) {
	slo, _ := ParseSLO("p95<10ms")
	list := func(fast, slow int) (ns []int64) {
		for i := range fast + slow {
			ns = append(ns, 1e6)
			if i >= fast {
				ns[i] = 20e6
			}
		}
		return ns
	}
	for _, tt := range []struct {
		known, others []int64
		want          Verdict
	}{
		{list(400, 50), nil, Broken},
		{list(400, 50), list(200, 0), Broken},
		{list(400, 50), list(4000, 0), Undecided}, // were they of the group it kept to its objective
		{list(400, 2), list(4000, 0), Met},
		{list(400, 2), list(0, 100), Undecided},
		{list(400, 50), list(0, 100), Broken},
		{list(5, 5), list(0, 100), Undecided}, // they may be of another group
	} {
		if got, why := slo.judgeAmong(tt.known, tt.others); got != tt.want || (got == Undecided) != (why != "") {
			t.Errorf("%d requests, %d others: %s %q, want %s", len(tt.known), len(tt.others), got, why, tt.want)
		}
	}
}

// TestUnknownLabels has a handler of two endpoints, and requests to it too short for a scan to see which: they are no group, and
// the others are not judged as if they were not there.
func TestUnknownLabels(t *testing.T) {
	for _, tt := range []struct {
		unknown  int
		selects  string
		verdicts string
	}{
		{0, "", " /a:broken:0 /b:met:0"},
		{200, "", " /a:broken:200 /b:met:200"},
		{3000, "", " /a:undecided:3000 /b:met:3000"},
		{3000, "(endpoint=/a)", " :undecided:3000"},
	} {
		s := newScenario(9 * time.Second)
		s.p.Comments = append(s.p.Comments, "mayfly.table_rate_hz=1000")
		add := func(id int64, ms float64, labels ...string) {
			s.goroutine(id, 100+float64(id%700)*10, labels...).in("sleep", ms, "main.work"+serve)
		}
		for i := range int64(600) {
			add(i, 5, "endpoint=/b")
			add(1000+i, 5, "endpoint=/a")
		}
		for i := range int64(60) {
			add(2000+i, 400, "endpoint=/a")
		}
		for i := range tt.unknown {
			add(10000+int64(i), 1)
		}
		o := Options{By: "endpoint"}
		if tt.selects != "" {
			o.By = ""
		}
		o.SLO, _ = ParseSLO("p95" + tt.selects + "<100ms")
		rs, err := New(s.profile(t), o)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, r := range rs {
			got[r.Group["endpoint"]] = fmt.Sprintf(" %s:%s:%d", r.Group["endpoint"], r.Verdict, r.Unknown)
			if said := strings.Contains(strings.Join(r.notes(), "\n"), "not known"); said != (tt.unknown > 0) {
				t.Errorf("%d unknown: notes %q", tt.unknown, r.notes())
			}
		}
		if all := got[""] + got["/a"] + got["/b"]; all != tt.verdicts || len(got) != len(rs) {
			t.Errorf("%d unknown: got%s, want%s", tt.unknown, all, tt.verdicts)
		}
	}
}
