package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Metrics of an agent are Prometheus' text, written by hand: a dozen of numbers that are there anyway is no reason for a client library
// in the graph of everybody who imports a package of mayfly.

// metric is a number that an agent tells of itself, or one for each server.
type metric struct {
	name, kind, help string
	values           []value
}

type value struct {
	server string // "": of the agent
	v      float64
}

func (m metric) write(w io.Writer) {
	fmt.Fprintf(w, "# HELP mayfly_agent_%s %s\n# TYPE mayfly_agent_%s %s\n", m.name, m.help, m.name, m.kind)
	for _, x := range m.values {
		labels := ""
		if x.server != "" {
			labels = fmt.Sprintf("{server=%q}", x.server)
		}
		fmt.Fprintf(w, "mayfly_agent_%s%s %g\n", m.name, labels, x.v)
	}
}

// counts is what an agent has counted.
type counts struct {
	profiles, failed    int64 // slices, and those that were not kept
	samples, lost       int64 // on a CPU
	goroutines, refused int64 // in profiles; values of labels that did not leave
	targets             int64 // CPU time of what was recorded, ns
	scans, other        int64 // of goroutine tables; processes that could not be recorded
}

// agentMeter counts, from several goroutines.
type agentMeter struct {
	mu sync.Mutex
	counts
	begun map[int]bool // what is recorded now, by process
}

// count takes up a slice.
func (m *agentMeter) count(rec *profiler.Recording, refused int, err error) {
	if m.profiles++; err != nil {
		m.failed++
	}
	s := &rec.Summary
	m.samples, m.lost = m.samples+s.CPU.Samples, m.lost+s.CPU.Lost
	m.targets += s.CPU.Rusage
	m.scans += int64(s.Table.Rate * float64(rec.Profile.DurationNanos) / 1e9)
	m.goroutines += s.Coverage.Seen
	m.refused += int64(refused)
}

func (m *agentMeter) add(f func(*agentMeter)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

// metrics are all that there are.
func (a *agent) metrics() []metric {
	a.meter.mu.Lock()
	c, recorded := a.meter.counts, len(a.meter.begun)
	a.meter.mu.Unlock()
	one := func(name, kind, help string, v float64) metric { return metric{name, kind, help, []value{{v: v}}} }
	hears := 0.0
	if a.fleet.Load().hears.Load() {
		hears = 1
	}
	list := []metric{
		one("exec_events", "gauge", "1: processes are seen when they begin. 0: they are searched for once a second.", hears),
		one("recorded_processes", "gauge", "Go processes that are recorded now.", float64(recorded)),
		one("unrecorded_processes_total", "counter", "Go processes that could not be recorded.", float64(c.other)),
		one("profiles_total", "counter", "Profiles that were made.", float64(c.profiles)),
		one("unkept_profiles_total", "counter", "Profiles that could not be written.", float64(c.failed)),
		one("samples_total", "counter", "Samples of what is on a CPU, without lost ones.", float64(c.samples)),
		one("lost_samples_total", "counter", "Samples for which the kernel had no room.", float64(c.lost)),
		one("target_cpu_seconds_total", "counter", "CPU time of the processes while they were recorded.", float64(c.targets)/1e9),
		one("table_scans_total", "counter", "Scans of goroutine tables.", float64(c.scans)),
		one("seen_goroutines_total", "counter", "Goroutines that profiles have, once for each profile.", float64(c.goroutines)),
		one("refused_label_values_total", "counter", "Values of labels that did not leave as they are.", float64(c.refused)),
		one("cpu_seconds_total", "counter", "CPU time of the agent and its eBPF programs.", a.fleet.Load().budget.Spent().Seconds()),
		one("peak_resident_memory_bytes", "gauge", "Most memory that the agent has had.", float64(proc.OwnRSS())),
	}
	if len(a.queues) == 0 {
		return list
	}
	return append(list, a.ofServers()...)
}

// ofServers are the metrics that each server has.
func (a *agent) ofServers() []metric {
	list := []metric{
		{name: "sent_requests_total", kind: "counter", help: "Requests that the server has taken."},
		{name: "send_errors_total", kind: "counter", help: "Times that the server did not take what was sent."},
		{name: "dropped_profiles_total", kind: "counter", help: "Profiles that were dropped since the queue was full."},
		{name: "queued_profiles", kind: "gauge", help: "Profiles that wait for the server."},
		{name: "queued_bytes", kind: "gauge", help: "Size of what waits for the server."},
	}
	for _, q := range a.queues {
		sent, failed, dropped, waits := q.numbers()
		for i, n := range []int64{int64(sent), int64(failed), int64(dropped.recordings), int64(waits.recordings), waits.bytes} {
			list[i].values = append(list[i].values, value{strings.ToLower(string(q.server.Protocol)), float64(n)})
		}
	}
	return list
}

// ready says why profiles do not get to where they are to go, "" if they do.
func (a *agent) ready() string {
	for _, q := range a.queues {
		if q.down.Load() {
			return q.server.Where() + " does not take profiles"
		}
	}
	a.turn.Lock()
	defer a.turn.Unlock()
	return a.failing
}

// serve serves what an agent says of itself until ctx ends. Without a host the address is one of this host only.
func (a *agent) serve(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return usagef("agent: --metrics %s: want HOST:PORT, or :PORT for 127.0.0.1", address)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port))
	if err != nil {
		return fmt.Errorf("agent: --metrics: %w", err)
	}
	server := &http.Server{Handler: a.handler(), ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	a.env.say("metrics are at http://%s/metrics", l.Addr())
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(l)
	return nil
}

func (a *agent) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		for _, m := range a.metrics() {
			m.write(w)
		}
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := a.ready(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("POST /record", a.recordNow)
	return mux
}
