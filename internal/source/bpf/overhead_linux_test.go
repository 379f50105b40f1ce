//go:build amd64 || arm64

package bpf

// What does sampling cost the target? Package onoff switches the events on and off, by ioctl while
// they stay open (for runtime/pprof its timers), and compares the work done.
//
// In the slices without, the events are open but off. "count:1" shows what events cost that are on
// and hardly ever fire. The ring is drained, as OnCPU does, in slices of both kinds: what mayfly
// itself needs is not in the ratios, see BenchmarkRecord in cmd/mayfly.
//
//	go test -run '^$' -bench Overhead -benchtime 1x -timeout 60m ./internal/source/bpf

import (
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/onoff"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

var rounds = flag.Int("overhead.rounds", 15, "blocks of slices per variant in BenchmarkOverhead; 15 take about 5 minutes")

// load is a target, and how a block of it is cut.
type load struct {
	name   string
	args   []string
	cut    onoff.Cut
	cpu    bool // CPU time in slices can be read: it is brought up to date when threads switch, else by ticks
	other  bool // another process is the profiled one
	group  bool // that is in a control group of its own
	legend string

	variants []variant
}

// variant is a profiler at a rate.
type variant struct {
	kind string // "aa": none; "count": only_count; "full": sample; "pprof": Go's own
	rate int
}

var (
	all = []variant{
		{"aa", 0}, {"count", 1}, {"count", 999}, {"count", 1999}, {"count", 4999},
		{"full", 99}, {"full", 999}, {"full", 1999}, {"full", 4999}, {"pprof", 100},
	}
	loads = []load{
		{name: "spin", args: []string{"-n", "1", "-procs", "1"}, cut: onoff.Cut{Slice: 6 * time.Millisecond, Pairs: 50}, variants: all,
			legend: "spin: one goroutine, 20 frames deep, 3 labels, on a CPU of its own"},
		{name: "server", cut: onoff.Cut{Slice: 15 * time.Millisecond, Pairs: 36}, cpu: true, variants: all,
			legend: "server: JSON over HTTP with its clients in the same process"},
		{name: "spin", args: []string{"-n", "1", "-procs", "1"}, cut: onoff.Cut{Slice: 6 * time.Millisecond, Pairs: 50}, other: true,
			variants: []variant{{"aa", 0}, {"full", 999}, {"full", 4999}},
			legend:   "bystander: spin again, while an idle process is profiled"},
		{name: "spin", args: []string{"-n", "1", "-procs", "1"}, cut: onoff.Cut{Slice: 6 * time.Millisecond, Pairs: 50}, other: true, group: true,
			variants: []variant{{"aa", 0}, {"full", 999}, {"full", 4999}},
			legend:   "group: the same, while the idle process is in a control group of its own"},
		{name: "spin", args: []string{"-n", "1", "-procs", "1"}, cut: onoff.Cut{Slice: 6 * time.Millisecond, Pairs: 50}, group: true,
			variants: []variant{{"aa", 0}, {"full", 999}, {"full", 4999}},
			legend:   "own: spin again, itself in a control group of its own"},
	}
)

func BenchmarkOverhead(b *testing.B) {
	target.Need(b, Probe())
	var tables []string
	for _, l := range loads {
		name, _, _ := strings.Cut(l.legend, ":")
		b.Run(name, func(b *testing.B) {
			rows := overhead(b, l)
			for _, r := range rows {
				b.Run(r.Name, func(b *testing.B) { onoff.Report(b, r, l.cpu) })
			}
			tables = append(tables, onoff.Table(l.legend, rows, l.cpu))
		})
	}
	fmt.Println("\nWork with the profiler, as a share of that without.")
	fmt.Println(strings.Join(tables, ""))
}

// overhead runs all variants of a load.
func overhead(b *testing.B, l load) []onoff.Row {
	c := newEvents(b, l)
	var variants []onoff.Variant
	for _, v := range l.variants {
		variants = append(variants, c.variant(v, l.cut))
	}
	return c.Rows(b, *rounds, variants)
}

// switched is a target and the loaded programs; each block opens events of its own.
type switched struct {
	*onoff.Experiment
	source  *OnCPU
	group   *proc.PerfGroup // that its events are of, or nil
	drained atomic.Uint64   // records taken from the ring
}

func newEvents(b *testing.B, l load) *switched {
	c := &switched{Experiment: onoff.New(b, onoff.Load{Program: l.name, Args: l.args})}
	profiled := c.Process
	if l.other {
		profiled = another(b)
	}
	if l.group {
		target.Group(b, profiled.PID())
		g, err := profiled.OpenPerfGroup()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { g.Close() })
		c.group = g
	}
	layout, err := readLayout(profiled)
	if err != nil {
		b.Fatal(err)
	}
	c.source = &OnCPU{target: profiled, options: Options{Layout: layout}}
	if err := c.source.load(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.source.Close() })
	c.drain(b)
	return c
}

func (c *switched) variant(v variant, cut onoff.Cut) onoff.Variant {
	r := onoff.Variant{Name: v.kind, Cut: cut, Lost: func() uint64 { return c.source.counter(oncpuCountersLOST) }}
	if v.rate > 0 {
		r.Name = fmt.Sprintf("%s:%d", v.kind, v.rate)
	}
	switch v.kind {
	case "count":
		r.Attach = func() (onoff.Profiler, error) { return c.attach(c.source.objects.OnlyCount, v.rate, c.fired) }
	case "full":
		r.Attach = func() (onoff.Profiler, error) { return c.attach(c.source.objects.Sample, v.rate, c.taken) }
	case "pprof":
		r.Attach = func() (onoff.Profiler, error) { return c.Own(onoff.Pprof, v.rate) }
	}
	return r
}

// another is a process that does next to nothing.
func another(b *testing.B) *proc.Process {
	x := target.Start(b, target.Compile(b, "spin", target.Build{}), "-n", "0")
	p, err := proc.Open(x.PID)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	return p
}

func readLayout(p *proc.Process) (*goruntime.Layout, error) {
	exe, err := p.Exe()
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	return goruntime.Read(exe)
}

// drain takes records from the ring and decodes them until the benchmark ends, as OnCPU does. It
// works in slices of both kinds.
func (c *switched) drain(b *testing.B) {
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		var d decoder
		var s sample.Sample
		for {
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(drainEvery):
			}
			c.source.reader.SetDeadline(time.Unix(1, 0))
			for c.source.reader.ReadInto(&c.source.rec) == nil {
				if err := d.decode(c.source.rec.RawSample, &s); err != nil {
					done <- err
					return
				}
				c.drained.Add(1)
			}
		}
	}()
	b.Cleanup(func() {
		close(stop)
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
}

// fired and taken are the samples so far, of only_count and of sample.
func (c *switched) fired() uint64 { return c.source.counter(oncpuCountersFIRED) }

func (c *switched) taken() uint64 {
	time.Sleep(2 * drainEvery) // until the ring is empty
	return c.drained.Load() + c.source.counter(oncpuCountersLOST)
}

// eventSwitch switches mayfly's events.
type eventSwitch struct {
	events
	count  func() uint64
	before uint64
}

func (c *switched) attach(p *ebpf.Program, rate int, count func() uint64) (onoff.Profiler, error) {
	s := &eventSwitch{count: count, before: count()}
	var err error
	cpus, err := onlineCPUs()
	if err == nil {
		scopes := onCPUs(cpus)
		for i := range scopes {
			if c.group != nil {
				scopes[i] = ofGroup(c.group.Fd(), cpus[i])
			}
		}
		s.events, err = openEvents(p.FD(), scopes, (*Event)(nil).attr(rate))
	}
	return s, err
}

func (s *eventSwitch) Start() error          { return s.start() }
func (s *eventSwitch) Stop() error           { return s.stop() }
func (s *eventSwitch) Settle() time.Duration { return 500 * time.Microsecond }

func (s *eventSwitch) Close() (uint64, error) {
	s.events.Close()
	return s.count() - s.before, nil
}
