//go:build linux && (amd64 || arm64)

package bpf

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
)

// OnCPU samples the target's threads while they are on a CPU, or where an event happens to them. It is a sample.Source.
type OnCPU struct {
	target  *proc.Process
	options Options
	objects oncpuObjects
	reader  *ringbuf.Reader
	bell    *bell
	rec     ringbuf.Record
	execs   link.Link
	timers         // none where there is a Host
	leave   func() // takes the target from the Host

	complete   *completer
	decoder    decoder
	batch      batch
	stats      Stats
	reported   atomic.Pointer[Stats] // the stats as of the last weighing
	flushes    *source.Flushes
	rate       atomic.Int64
	lost       uint64      // LOST counter at the last reading
	happened   float64     // events that samples stand for so far, of those that HAPPENED counts
	clock      *proc.Clock // the target's CPU time since the start
	started    bool
	shared     time.Duration // CPU time that was divided among samples
	execTimes  []ExecTime    // what Options.ExecTimes says,
	accounts   accounts      // and what of it no sample stands for yet
	weights    []int64       // of the batch's samples, ns
	steal      steal
	stealShare float64      // stolen time, as a share of the weights of the batch
	ended      bool         // this is the last weighing
	clockRead  bool         // the last reading of the clock went well
	more       bool         // the batch was full before the ring was empty
	rested     atomic.Int64 // when the goroutine that samples began to wait, CLOCK_MONOTONIC in ns
}

// Open loads the program and opens an event on each CPU of the target; nothing is sampled before Run. The error wraps
// fs.ErrPermission when a right is missing and errors.ErrUnsupported when the kernel lacks something.
func Open(p *proc.Process, o Options) (*OnCPU, error) {
	rate, err := source.Rate(o.Rate)
	if err != nil {
		return nil, err
	}
	o.Rate = rate
	s := &OnCPU{
		target: p, options: o, timers: timers{event: o.Event, target: p, reach: reach{onlineCPUs, p.Affinity}}, flushes: source.NewFlushes(),
	}
	s.rate.Store(int64(o.Rate))
	if err := s.load(); err != nil {
		return nil, err
	}
	if err := s.attach(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *OnCPU) attach() (err error) {
	if s.execs, err = link.AttachTracing(link.TracingOptions{Program: s.objects.OnExec}); err != nil {
		return fmt.Errorf("attach to execve: %w", err)
	}
	if s.options.Host.acquire() {
		s.stats.CPUs, s.stats.Unsampled = s.options.Host.state()
		return nil
	}
	s.options.Host = nil
	if s.options.Event == nil {
		s.group, _ = s.target.OpenPerfGroup() // worth having, and not worth failing for
	}
	err = s.timers.open(s.objects.Sample.FD(), s.options.Rate)
	s.stats.CPUs = len(s.events)
	return err
}

func (s *OnCPU) load() error {
	_ = rlimit.RemoveMemlock() // maps count against it before Linux 5.11: loadError says whether that was the reason
	spec, err := loadOncpu()
	if err != nil {
		return fmt.Errorf("load eBPF: %w", err)
	}
	if err := s.configure(spec); err != nil {
		return fmt.Errorf("load eBPF: %w", err)
	}
	if err := spec.LoadAndAssign(&s.objects, withTypes()); err != nil {
		return loadError(err)
	}
	if s.reader, err = ringbuf.NewReader(s.objects.Records); err == nil {
		s.bell, err = newBell(s.objects.Records)
	}
	if err != nil {
		s.Close()
		return fmt.Errorf("load eBPF: %w", err)
	}
	s.reader.SetDeadline(time.Unix(1, 0)) // what is there, and no waiting
	return nil
}

// Where the rate is that low the ring is small, and read less often: one for each of twenty processes, mapped twice, is what mayfly
// takes most memory for. It holds some 250 samples of usual stacks; what has no room is counted as lost.
const (
	fewSamples = 200 // Hz
	fewBytes   = 256 << 10
)

// ringParts is of how many parts of a ring one has to be full for its reader to be woken.
const ringParts = 4

func (s *OnCPU) configure(spec *ebpf.CollectionSpec) error {
	pid, armed := 0, uint32(1)
	if s.target != nil {
		pid = s.target.PID()
		if s.options.Rate <= fewSamples {
			spec.Maps["records"].MaxEntries = fewBytes
		}
	} else if rlimit.RemoveMemlock() == nil { // else what Probe says has to hold for a ring of full size
		spec.Maps["records"].MaxEntries = uint32(os.Getpagesize()) // Probe samples nothing, and 8 MiB of ring are mapped twice
	}
	if s.options.OnExec {
		armed = 0
	}
	if s.options.ring != 0 {
		spec.Maps["records"].MaxEntries = s.options.ring
	}
	err := errors.Join(setTarget(spec, pid), spec.Variables["armed"].Set(armed),
		spec.Variables["high_water"].Set(uint64(spec.Maps["records"].MaxEntries)/ringParts))
	if err == nil && s.timers.onThreads() {
		err = spec.Variables["apart"].Set(uint64(time.Second) / uint64(s.options.Rate))
	}
	if err == nil && s.options.Layout != nil {
		err = spec.Variables["target"].Set(targetLayout(s.options.Layout))
	}
	return err
}

// Close releases the program and the events. The target is not touched by it.
func (s *OnCPU) Close() error {
	s.stop()
	s.events.Close()
	if s.group != nil {
		s.group.Close()
	}
	if s.options.Host != nil && s.execs != nil {
		s.options.Host.release()
	}
	var err error
	if s.execs != nil {
		err = s.execs.Close()
	}
	if s.reader != nil {
		err = errors.Join(err, s.reader.Close())
	}
	return errors.Join(err, s.bell.close(), s.clock.Close(), s.objects.Close())
}

// Stats say how the sampling went, up to the last batch of samples that was emitted.
func (s *OnCPU) Stats() Stats {
	if st := s.reported.Load(); st != nil {
		return *st
	}
	return Stats{}
}

// Cost is the time that the program has run since Open for samples of the target, on all CPUs. It may be called
// while Run is running.
func (s *OnCPU) Cost() time.Duration { return time.Duration(s.counter(oncpuCountersSPENT)) }

func (s *OnCPU) counter(k oncpuCounters) (n uint64) {
	var perCPU []uint64
	if s.objects.Counts.Lookup(uint32(k), &perCPU) != nil {
		return 0
	}
	for _, v := range perCPU {
		n += v
	}
	return n
}

// SetRate changes Options.Rate, also while Run is running, within some 50 ms or 20 periods. Weights are
// measured, so they stay right. The rate of a Host is not a target's to change.
func (s *OnCPU) SetRate(hz int) error {
	err := source.CheckRate(hz)
	if err == nil && s.options.Host == nil {
		s.rate.Store(int64(hz))
	}
	return err
}

func (s *OnCPU) period() int64 { return int64(time.Second) / s.rate.Load() }
