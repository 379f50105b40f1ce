package report

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// BenchmarkReport is a minute of 1,000 requests a second on 2,000 goroutines, which queue for a lock
// now and then: reading the profile and reporting on it.
func BenchmarkReport(b *testing.B) {
	var file bytes.Buffer
	if err := busy(60, 1000, 2000).p.Write(&file); err != nil {
		b.Fatal(err)
	}
	slo, _ := ParseSLO("p99<80ms")
	b.ReportMetric(float64(file.Len())/1e6, "file-MB")
	b.ResetTimer()
	for range b.N {
		f, err := samples.Open(bytes.NewReader(file.Bytes()), "busy")
		if err != nil {
			b.Fatal(err)
		}
		rs, err := NewFrom(f.Head, f.Each(), Options{SLO: slo, Request: timeline.Selector{By: timeline.Label, Name: "request"}})
		if err != nil || rs[0].Cause == nil || rs[0].Cause.Kind != timeline.Lock {
			b.Fatalf("%v, %+v", err, rs)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/1e6, "sys-MB")
	b.ReportMetric(float64(file.Len())/1e6, "file-MB")
}

// busy writes seconds of requests, perSecond on conns kept connections in turn.
func busy(seconds, perSecond, conns int) *scenario {
	s := newScenario(time.Duration(seconds) * time.Second)
	gs := make([]*goroutine, conns)
	for i := range gs {
		gs[i] = s.goroutine(int64(i+1), 0)
	}
	for i := range seconds * perSecond {
		g := gs[i%conns]
		at := float64(i) * 1000 / float64(perSecond)
		g.labels = nil
		if at > g.at {
			g.in("IO wait", at-g.at, idle)
		}
		g.labels = []string{fmt.Sprint("request=", i), "endpoint=/fulfil", fmt.Sprint("tenant=", i%7)}
		g.in("select", 1, dbWait).in("IO wait", 3, dbCall)
		if k := i % 1000; k < 60 { // a queue, once a second
			g.in("sync.Mutex.Lock", 3*float64(k)+0.5, locked).in("IO wait", 4, call)
		}
		g.in("running", 2, "main.price"+serve).in("IO wait", 2, dbCall).in("runnable", 0.5, dbCall)
	}
	return s
}

// BenchmarkLongWaits is hundreds of requests that wait ten seconds each, for a pool whose connections those have
// who wait for a lock.
func BenchmarkLongWaits(b *testing.B) {
	s := newScenario(14 * time.Second)
	held := strings.Replace(locked, serve, " main.load:31"+serve, 1)
	asks := strings.Replace(call, serve, " main.load:31"+serve, 1)
	for i := range int64(600) { // thirty connections, one turn at the lock after the other
		turn := 20 * float64(i)
		g := s.goroutine(i+1, 100+float64(i)/100, fmt.Sprint("request=s", i)).in("select", max(turn-600, 0)+0.5, dbWait)
		g.in("sync.Mutex.Lock", min(turn, 600)+0.5, held).in("IO wait", 18, asks).in("running", 1, "main.price"+serve).
			in("runnable", 1, "main.price"+serve)
	}
	s.quick(10_000, 300)
	var file bytes.Buffer
	if err := s.p.Write(&file); err != nil {
		b.Fatal(err)
	}
	slo, _ := ParseSLO("p99<80ms")
	for b.Loop() {
		f, err := samples.Open(bytes.NewReader(file.Bytes()), "long")
		if err != nil {
			b.Fatal(err)
		}
		rs, err := NewFrom(f.Head, f.Each(), Options{SLO: slo, Request: timeline.Selector{By: timeline.Label, Name: "request"}})
		if err != nil || rs[0].Cause == nil || rs[0].Cause.Kind != timeline.Lock {
			b.Fatalf("%v, %+v", err, rs)
		}
	}
}
