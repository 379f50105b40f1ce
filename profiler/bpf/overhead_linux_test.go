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
// and hardly ever fire.
//
//	go test -run '^$' -bench Overhead -benchtime 1x -timeout 60m ./profiler/bpf

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/google/pprof/profile"
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

var variants = []variant{
	{"aa", 0}, {"count", 1}, {"count", 999}, {"count", 1999}, {"count", 4999},
	{"full", 99}, {"full", 999}, {"full", 1999}, {"full", 4999}, {"pprof", 100},
}

// load is a target, and how a block of it is cut.
type load struct {
	name   string
	args   []string
	slice  time.Duration
	pairs  int
	cpu    bool // CPU time in slices can be read: it is brought up to date when threads switch, else by ticks
	legend string
}

var loads = []load{
	{"spin", []string{"-n", "1"}, 6 * time.Millisecond, 50, false,
		"spin, one goroutine, 20 frames deep, 3 labels, on a CPU of its own: work with the profiler, as a share of that without"},
	{"server", nil, 15 * time.Millisecond, 36, true,
		"server, JSON over HTTP with its clients in the same process, all CPUs busy: work with the profiler, as a share of that without"},
}

func BenchmarkOverhead(b *testing.B) {
	target.Need(b, Probe())
	var tables []string
	for _, l := range loads {
		b.Run(l.name, func(b *testing.B) {
			rows := overhead(b, l)
			for _, r := range rows {
				b.Run(r.name, func(b *testing.B) { report(b, r, l.cpu) })
			}
			tables = append(tables, table(l.legend, rows, l.cpu))
		})
	}
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

// overhead runs all variants on a load.
func overhead(b *testing.B, l load) []row {
	c := newChopper(b, l)
	blocks := make([][]block, len(variants))
	lost := make([]uint64, len(variants))
	for range *rounds {
		for _, i := range rand.Perm(len(variants)) {
			before := c.source.counter(oncpuCountersLOST)
			blk, err := c.block(variants[i])
			if err != nil {
				b.Fatal(err)
			}
			blocks[i] = append(blocks[i], blk)
			lost[i] += c.source.counter(oncpuCountersLOST) - before
		}
	}
	var rows []row
	for i, v := range variants {
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
	layout, err := readLayout(c.proc)
	if err != nil {
		b.Fatal(err)
	}
	c.source = &OnCPU{target: c.proc, options: Options{Layout: layout}}
	if err := c.source.load(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.source.Close() })
	c.drain(b)
	time.Sleep(time.Second) // the target grows warm
	return c
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
	pairs, slice := c.pairs, c.slice
	if v.kind == "pprof" { // switching takes longer than the slices of the others
		pairs, slice = max(1, pairs/2), max(slice, 12*time.Millisecond)
	}
	nap(20 * time.Millisecond)
	for range pairs {
		first := rand.IntN(2)
		for _, on := range []int{first, 1 - first} {
			a, err := c.measure(sw, on == 1, slice)
			if err != nil {
				return blk, errors.Join(err, sw.close(&blk))
			}
			[]*arm{&blk.off, &blk.on}[on].add(a)
		}
	}
	return blk, sw.close(&blk)
}

// measure is one slice.
func (c *chopper) measure(sw profilerSwitch, on bool, slice time.Duration) (a arm, err error) {
	if on {
		if err := sw.on(); err != nil {
			return a, err
		}
	}
	nap(sw.settle())
	before, err := c.look()
	if err != nil {
		return a, err
	}
	nap(slice)
	after, err := c.look()
	if on {
		err = errors.Join(err, sw.off())
	}
	after.work -= before.work
	after.wall -= before.wall
	after.cpu -= before.cpu
	after.samples -= before.samples
	return after, err
}

// look reads all counters that grow.
func (c *chopper) look() (arm, error) {
	a := arm{samples: float64(c.source.counter(oncpuCountersFIRED))}
	a.wall = float64(monotonic()) / 1e9
	a.work = float64(atomic.LoadUint64(&c.page[0]))
	cpu, err := c.proc.CPU()
	a.cpu = cpu.Seconds()
	return a, err
}

// nap sleeps more exactly than time.Sleep.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&ts, nil)
}

// profilerSwitch switches a profiler that is attached; it starts off.
type profilerSwitch interface {
	on() error
	off() error
	settle() time.Duration
	close(*block) error // detaches, and fills in what can be told only then
}

func (c *chopper) attach(v variant) (profilerSwitch, error) {
	prog := c.source.objects.Sample
	switch v.kind {
	case "aa":
		return nothing{}, nil
	case "pprof":
		s := &pprofSwitch{chopper: c, rate: v.rate}
		return s, s.ask(0, 1)
	case "count":
		prog = c.source.objects.OnlyCount
	}
	e, err := openEvents(prog.FD(), Options{Rate: v.rate})
	return eventSwitch(e), err
}

type nothing struct{}

func (nothing) on() error             { return nil }
func (nothing) off() error            { return nil }
func (nothing) settle() time.Duration { return settle }
func (nothing) close(*block) error    { return nil }

type eventSwitch events

func (s eventSwitch) on() error             { return events(s).start() }
func (s eventSwitch) off() error            { return events(s).stop() }
func (s eventSwitch) settle() time.Duration { return settle }
func (s eventSwitch) close(*block) error    { events(s).close(); return nil }

// Words of the page, see chop.go in testdata/run.
const (
	askedWord = 1 + iota
	doneWord
	rateWord
	profileWord
)

// pprofSwitch switches the timers of runtime/pprof. How many signals there were, the profile tells
// when it is closed: the settling times are in it too, and taken out by their length.
type pprofSwitch struct {
	*chopper
	rate  int
	since int64
	armed time.Duration // time with the timers on
}

func (s *pprofSwitch) settle() time.Duration { return settlePprof }

func (s *pprofSwitch) on() error {
	err := s.ask(s.rate, 1)
	s.since = monotonic()
	return err
}

func (s *pprofSwitch) off() error {
	s.armed += time.Duration(monotonic() - s.since)
	return s.ask(0, 1)
}

func (s *pprofSwitch) close(b *block) error {
	if err := s.ask(0, 0); err != nil {
		return err
	}
	n, err := countSamples(s.ctl + ".pprof")
	b.on.samples = float64(n) * b.on.wall / s.armed.Seconds()
	return err
}

// ask makes a request to the target and waits until it is carried out.
func (s *pprofSwitch) ask(rate int, open uint64) error {
	atomic.StoreUint64(&s.page[rateWord], uint64(rate))
	atomic.StoreUint64(&s.page[profileWord], open)
	n := atomic.AddUint64(&s.page[askedWord], 1)
	if err := unix.Kill(s.target.PID, unix.SIGUSR2); err != nil {
		return err
	}
	for wait := time.Now().Add(10 * time.Second); atomic.LoadUint64(&s.page[doneWord]) != n; nap(200 * time.Microsecond) {
		if time.Now().After(wait) {
			return fmt.Errorf("the target does not switch its profiler: %w", fs.ErrInvalid)
		}
	}
	return nil
}

func countSamples(file string) (n int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return 0, err
	}
	for s := range slices.Values(p.Sample) {
		n += s.Value[0]
	}
	return n, nil
}
