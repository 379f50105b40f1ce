// Package onoff measures what a profiler costs its target, for benchmarks only.
//
// The speed of a virtual machine changes by several percent within 100 ms, so two runs of a second
// each, one with and one without a profiler, say nothing: their ratio is off by 5 % even when both
// are without. Here the profiler is switched on and off every few ms, in random order, while it
// stays attached. A block is many such slices; it gives one ratio of work done. Variants take turns
// in random order, block by block, and one of them does nothing at all (A/A): how far its ratio is
// from 1 is how far the others can be trusted.
package onoff

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Profiler is one that is switched often. It is attached and off at first.
type Profiler interface {
	Start() error
	Stop() error           // also when it is off
	Settle() time.Duration // after a switch, before the slice begins
	Close() (samples uint64, err error)
}

// Cut is how a block is cut: into pairs of slices of that length, one with and one without.
type Cut struct {
	Slice time.Duration
	Pairs int
}

// Variant is a profiler at a rate: a row of the table.
type Variant struct {
	Name   string
	Cut    Cut
	Attach func() (Profiler, error) // nil: nothing at all
	Lost   func() uint64            // samples that there was no room for so far; nil: none ever
}

// Load is a program of testdata that publishes its count of work by -ctl.
type Load struct {
	Program string
	Args    []string
	Build   target.Build // Tags and LDFlags are added
}

// Experiment cuts the life of a running target into slices.
type Experiment struct {
	Target  *target.Target
	Process *proc.Process
	ctl     string
	page    *[512]uint64 // shared with the target; word 0 is its count of work
}

// New starts the target of a load, with the tag onoff: its profilers can be switched from outside.
func New(b testing.TB, l Load) *Experiment {
	l.Build.LDFlags = "-checklinkname=0"
	if l.Build.Tags == "" {
		l.Build.Tags = "onoff"
	}
	exe := target.Compile(b, l.Program, l.Build)
	c := &Experiment{ctl: filepath.Join(b.TempDir(), "ctl")}
	c.Target = target.Start(b, exe, append([]string{"-ctl", c.ctl}, l.Args...)...)
	c.page = mapPage(b, c.ctl)
	var err error
	if c.Process, err = proc.Open(c.Target.PID); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Process.Close() })
	return c
}

func mapPage(b testing.TB, name string) *[512]uint64 {
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

// Rows measures a number of blocks of each variant.
func (c *Experiment) Rows(b testing.TB, rounds int, variants []Variant) []Row {
	time.Sleep(time.Second) // the target grows warm
	blocks := make([][]Block, len(variants))
	lost := make([]uint64, len(variants))
	for range max(1, rounds) {
		for _, i := range rand.Perm(len(variants)) {
			v := variants[i]
			before := v.lost()
			blk, err := c.block(v)
			if err != nil {
				b.Fatalf("%s: %v", v.Name, err)
			}
			blocks[i] = append(blocks[i], blk)
			lost[i] += v.lost() - before
		}
	}
	var rows []Row
	for i, v := range variants {
		rows = append(rows, RowOf(v.Name, blocks[i], lost[i]))
	}
	return rows
}

func (v *Variant) lost() uint64 {
	if v.Lost == nil {
		return 0
	}
	return v.Lost()
}

// block measures one block of slices of a variant.
func (c *Experiment) block(v Variant) (blk Block, err error) {
	var p Profiler = nothing{}
	if v.Attach != nil {
		if p, err = v.Attach(); err != nil {
			return blk, err
		}
	}
	Nap(20 * time.Millisecond)
	var lit time.Duration // how long the profiler was on, the settling included
	for range v.Cut.Pairs {
		first := rand.IntN(2)
		for _, on := range []int{first, 1 - first} {
			begin, a, err := c.measure(p, v.Cut.Slice, on == 1)
			if err != nil {
				_, er := p.Close()
				return blk, errors.Join(err, er)
			}
			if on == 1 {
				lit += time.Duration(target.Monotonic() - begin)
			}
			[]*Arm{&blk.Off, &blk.On}[on].add(a)
		}
	}
	samples, err := p.Close()
	blk.On.Samples = float64(samples) * blk.On.Wall / lit.Seconds()
	return blk, err
}

// measure is one slice, which began when the profiler had been switched. It switches in any case, so
// that slices of both kinds begin alike.
func (c *Experiment) measure(p Profiler, slice time.Duration, on bool) (begin int64, a Arm, err error) {
	sw := p.Stop
	if on {
		sw = p.Start
	}
	if err := sw(); err != nil {
		return 0, a, err
	}
	begin = target.Monotonic()
	Nap(p.Settle())
	before, err := c.counters()
	if err != nil {
		return 0, a, err
	}
	Nap(slice)
	a, err = c.counters()
	a.Work -= before.Work
	a.Wall -= before.Wall
	a.CPU -= before.CPU
	return begin, a, err
}

// counters reads what grows.
func (c *Experiment) counters() (Arm, error) {
	a := Arm{Wall: float64(target.Monotonic()) / 1e9, Work: float64(atomic.LoadUint64(&c.page[0]))}
	cpu, err := c.Process.CPU()
	a.CPU = cpu.Seconds()
	return a, err
}

type nothing struct{}

func (nothing) Start() error           { return nil }
func (nothing) Stop() error            { return nil }
func (nothing) Settle() time.Duration  { return 500 * time.Microsecond }
func (nothing) Close() (uint64, error) { return 0, nil }

// Nap sleeps more exactly than time.Sleep.
func Nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&ts, nil)
}

// Report reports a row as the metrics of a benchmark.
func Report(b *testing.B, r Row, withCPU bool) {
	for b.Loop() { // the work was done by the parent, for all variants in turn
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(r.Wall.Median, "work/s")
	b.ReportMetric(r.Wall.Err, "±work/s")
	if withCPU {
		b.ReportMetric(r.CPU.Median, "work/CPU-s")
		b.ReportMetric(r.CPU.Err, "±work/CPU-s")
	}
	b.ReportMetric(r.Rate, "samples/CPU-s")
}
