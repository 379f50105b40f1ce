package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// scenario writes timeline profiles by hand, in ms since the window began, so that a test knows what
// every goroutine did.
type scenario struct {
	p     *profile.Profile
	funcs map[string]*profile.Function
	locs  map[string]*profile.Location // by function:line
}

const began = int64(1_800_000_000e9)

func newScenario(length time.Duration) *scenario {
	s := &scenario{funcs: map[string]*profile.Function{}, locs: map[string]*profile.Location{}, p: &profile.Profile{
		TimeNanos: began, DurationNanos: length.Nanoseconds(),
		Comments:   []string{"mayfly.gomaxprocs=2", "mayfly.cpus=2"},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
	}}
	for _, c := range []string{"samples", "cpu", "runnable", "blocked", "wall"} {
		s.p.SampleType = append(s.p.SampleType, &profile.ValueType{Type: c, Unit: "nanoseconds"})
	}
	s.goroutine(1<<40, 0).in("select", float64(length)/1e6, "runtime.gopark runtime.main") // is there for all of it
	return s
}

// goroutine is one goroutine of a scenario.
type goroutine struct {
	s      *scenario
	id     int64
	parent int64
	labels []string // key=value
	at     float64  // ms
}

func (s *scenario) goroutine(id int64, at float64, labels ...string) *goroutine {
	return &goroutine{s: s, id: id, at: at, labels: labels}
}

// in adds ms of a state, with a stack, leaf first, its functions apart by spaces. "running" is what
// an on-CPU source says: one sample for each ms.
func (g *goroutine) in(state string, ms float64, stack string) *goroutine {
	if state != "running" {
		g.add(state, ms, stack, 0)
		return g
	}
	for ; ms >= 1; ms-- {
		g.add(state, 1, stack, 1)
	}
	if ms > 0 {
		g.add(state, ms, stack, 1)
	}
	return g
}

func (g *goroutine) add(state string, ms float64, stack string, count int64) {
	g.at += ms
	end := began + int64(g.at*1e6)
	ns := end - began - int64((g.at-ms)*1e6)
	sm := &profile.Sample{
		Value: []int64{count, 0, 0, 0, ns}, Label: map[string][]string{"go.state": {state}},
		NumLabel: map[string][]int64{"go.id": {g.id}, "end_timestamp_ns": {end}},
	}
	if g.parent != 0 {
		sm.NumLabel["go.parent"] = []int64{g.parent}
	}
	for _, l := range g.labels {
		k, v, _ := strings.Cut(l, "=")
		sm.Label[k] = []string{v}
	}
	for name := range strings.FieldsSeq(stack) {
		sm.Location = append(sm.Location, g.s.location(name))
	}
	g.s.p.Sample = append(g.s.p.Sample, sm)
}

// location is a function, or "function:line".
func (s *scenario) location(name string) *profile.Location {
	l := s.locs[name]
	if l == nil {
		fn, line, _ := strings.Cut(name, ":")
		n := int64(10)
		fmt.Sscan(line, &n)
		f := s.funcs[fn]
		if f == nil {
			f = &profile.Function{ID: uint64(len(s.funcs) + 1), Name: fn, SystemName: fn, Filename: "/src/" + timeline.PackageOf(fn) + "/x.go"}
			s.funcs[fn] = f
			s.p.Function = append(s.p.Function, f)
		}
		l = &profile.Location{ID: uint64(len(s.locs) + 1), Line: []profile.Line{{Function: f, Line: n}}}
		s.locs[name] = l
		s.p.Location = append(s.p.Location, l)
	}
	return l
}

// profile is what a reader gets: the scenario written and parsed again.
func (s *scenario) profile(t testing.TB) *profile.Profile {
	t.Helper()
	if err := s.p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return s.p.Copy()
}

// report is the only report of a scenario.
func (s *scenario) report(t testing.TB, slo, request string) *Report {
	t.Helper()
	o, err := ParseSLO(slo)
	if err != nil {
		t.Fatal(err)
	}
	sel, err := timeline.ParseSelector(request)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := New(s.profile(t), Options{SLO: o, Request: sel})
	if err != nil {
		t.Fatal(err)
	}
	return rs[0]
}

const (
	serve  = " main.handle net/http.serverHandler.ServeHTTP net/http.(*conn).serve"
	idle   = "runtime.gopark internal/poll.(*FD).Read net.(*conn).Read net/http.(*conn).serve"
	locked = "runtime.gopark sync.(*Mutex).Lock main.book:20" + serve
	call   = "runtime.gopark internal/poll.(*FD).Read net.(*conn).Read main.ask main.book:22" + serve
	dbWait = "runtime.gopark runtime.selectgo database/sql.(*DB).conn database/sql.(*DB).Query main.load:30" + serve
	dbCall = "runtime.gopark internal/poll.(*FD).Read net.(*conn).Read driver.query database/sql.(*DB).Query main.load:30" + serve
)

// quick adds n requests of 5 ms that nothing holds up, one after the other, on goroutines from id on.
func (s *scenario) quick(id int64, n int) {
	for i := range int64(n) {
		s.goroutine(id+i, 10+float64(i%50)*150, "request=q"+fmt.Sprint(i)).in("running", 2, "main.price"+serve).in("IO wait", 3, dbCall)
	}
}
