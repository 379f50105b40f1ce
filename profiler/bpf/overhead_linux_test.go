//go:build amd64 || arm64

package bpf

// What does sampling cost the target? The speed of a virtual machine changes by several percent
// within 100 ms, so two runs of a second each, one with and one without a profiler, say nothing:
// their ratio is off by 5 % even when both are without. Here the profiler is switched on and off
// every few ms, in random order, by ioctl on events that stay open (for runtime/pprof by switching
// its timers). A block is many such slices; it gives one ratio of work done. Variants take turns
// in random order, block by block, and one of them does nothing at all (A/A): how far its ratio is
// from 1 is how far the others can be trusted.
//
// In the slices without, the events are open but off. "count:1" shows what events cost that are on
// and hardly ever fire. The ring is drained, as OnCPU does, in slices of both kinds: what mayfly
// itself needs is not in the ratios, see BenchmarkRecord in cmd/mayfly.
//
//	go test -run '^$' -bench Overhead -benchtime 1x -timeout 60m ./profiler/bpf

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

var rounds = flag.Int("overhead.rounds", 15, "blocks of slices per variant in BenchmarkOverhead; 15 take about 5 minutes")

const (
	settle      = 500 * time.Microsecond // after a switch, before the slice begins
	settlePprof = 4 * time.Millisecond   // a tick: Go's timers fire at ticks only
)

// variant is a profiler at a rate.
type variant struct {
	kind string // "aa": none; "count": only_count; "full": sample; "pprof": Go's own
	rate int
}

func (v variant) String() string {
	if v.rate == 0 {
		return v.kind
	}
	return v.kind + ":" + strconv.Itoa(v.rate)
}

// load is a target, and how a block of it is cut.
type load struct {
	name   string
	args   []string
	slice  time.Duration
	pairs  int
	cpu    bool // CPU time in slices can be read: it is brought up to date when threads switch, else by ticks
	other  bool // another process is the profiled one
	legend string

	variants []variant
}

var (
	all = []variant{
		{"aa", 0}, {"count", 1}, {"count", 999}, {"count", 1999}, {"count", 4999},
		{"full", 99}, {"full", 999}, {"full", 1999}, {"full", 4999}, {"pprof", 100},
	}
	loads = []load{
		{name: "spin", args: []string{"-n", "1", "-procs", "1"}, slice: 6 * time.Millisecond, pairs: 50, variants: all,
			legend: "spin: one goroutine, 20 frames deep, 3 labels, on a CPU of its own"},
		{name: "server", slice: 15 * time.Millisecond, pairs: 36, cpu: true, variants: all,
			legend: "server: JSON over HTTP with its clients in the same process"},
		{name: "spin", args: []string{"-n", "1", "-procs", "1"}, slice: 6 * time.Millisecond, pairs: 50, other: true,
			variants: []variant{{"aa", 0}, {"full", 999}, {"full", 4999}},
			legend:   "bystander: spin again, while an idle process is profiled"},
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
				b.Run(r.name, func(b *testing.B) { report(b, r, l.cpu) })
			}
			tables = append(tables, table(l.legend, rows, l.cpu))
		})
	}
	fmt.Println("\nWork with the profiler, as a share of that without.")
	fmt.Println(strings.Join(tables, ""))
}

func report(b *testing.B, r row, withCPU bool) {
	for b.Loop() { // the work was done by the parent, for all variants in turn
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(r.wall.median, "work/s")
	b.ReportMetric(r.wall.err, "±work/s")
	if withCPU {
		b.ReportMetric(r.cpu.median, "work/CPU-s")
		b.ReportMetric(r.cpu.err, "±work/CPU-s")
	}
	b.ReportMetric(r.rate, "samples/CPU-s")
}

// overhead runs all variants of a load.
func overhead(b *testing.B, l load) []row {
	c := newChopper(b, l)
	blocks := make([][]block, len(l.variants))
	lost := make([]uint64, len(l.variants))
	for range max(1, *rounds) {
		for _, i := range rand.Perm(len(l.variants)) {
			before := c.source.counter(oncpuCountersLOST)
			blk, err := c.block(l.variants[i])
			if err != nil {
				b.Fatal(err)
			}
			blocks[i] = append(blocks[i], blk)
			lost[i] += c.source.counter(oncpuCountersLOST) - before
		}
	}
	var rows []row
	for i, v := range l.variants {
		rows = append(rows, rowOf(v.String(), blocks[i], lost[i]))
	}
	return rows
}

// chopper cuts the life of a running target into slices.
type chopper struct {
	load
	target *target.Target
	proc   *proc.Process
	ctl    string
	page   *[512]uint64 // shared with the target; word 0 is its count of work
	source *OnCPU       // the loaded programs; each block opens events of its own

	drained atomic.Uint64 // records taken from the ring
}

func newChopper(b *testing.B, l load) *chopper {
	exe := target.Compile(b, l.name, target.Build{Tags: "chop", LDFlags: "-checklinkname=0"})
	c := &chopper{load: l, ctl: filepath.Join(b.TempDir(), "ctl")}
	c.target = target.Start(b, exe, append([]string{"-ctl", c.ctl}, l.args...)...)
	c.page = mapPage(b, c.ctl)
	var err error
	if c.proc, err = proc.Open(c.target.PID); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.proc.Close() })
	profiled := c.proc
	if l.other {
		profiled = another(b)
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
	time.Sleep(time.Second) // the target grows warm
	return c
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

func mapPage(b *testing.B, name string) *[512]uint64 {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Munmap(mem) })
	return (*[512]uint64)(unsafe.Pointer(&mem[0]))
}

// drain takes records from the ring and decodes them until the benchmark ends, as OnCPU does. It
// works in slices of both kinds.
func (c *chopper) drain(b *testing.B) {
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

// block measures one block of slices of a variant.
func (c *chopper) block(v variant) (blk block, err error) {
	sw, err := c.attach(v)
	if err != nil {
		return blk, err
	}
	nap(20 * time.Millisecond)
	var lit time.Duration // how long the profiler was on, the settling included
	for range c.pairs {
		first := rand.IntN(2)
		for _, on := range []int{first, 1 - first} {
			begin := monotonic()
			a, err := c.measure(sw, on)
			if err != nil {
				_, er := sw.close()
				return blk, errors.Join(err, er)
			}
			if on == 1 {
				lit += time.Duration(monotonic() - begin)
			}
			[]*arm{&blk.off, &blk.on}[on].add(a)
		}
	}
	samples, err := sw.close()
	blk.on.samples = float64(samples) * blk.on.wall / lit.Seconds()
	return blk, err
}

// measure is one slice. It switches in any case, so that slices of both kinds begin alike.
func (c *chopper) measure(sw profilerSwitch, on int) (arm, error) {
	if err := sw.set(on == 1); err != nil {
		return arm{}, err
	}
	nap(sw.settle())
	before, err := c.look()
	if err != nil {
		return arm{}, err
	}
	nap(c.slice)
	a, err := c.look()
	a.work -= before.work
	a.wall -= before.wall
	a.cpu -= before.cpu
	return a, err
}

// look reads what grows.
func (c *chopper) look() (arm, error) {
	a := arm{wall: float64(monotonic()) / 1e9, work: float64(atomic.LoadUint64(&c.page[0]))}
	cpu, err := c.proc.CPU()
	a.cpu = cpu.Seconds()
	return a, err
}

// nap sleeps more exactly than time.Sleep.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&ts, nil)
}
