//go:build linux && (amd64 || arm64)

package bpf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	drainEvery = 50 * time.Millisecond  // 8 MiB of ring hold more than a second at 10 kHz on 2 CPUs
	deaf       = 100 * time.Millisecond // CPU time without an event, beyond any error of the clocks
	weighEvery = time.Second            // reading the events interrupts the CPUs that run the target
)

// OnCPU samples the target's threads while they are on a CPU. It is a sample.Source.
type OnCPU struct {
	target  *proc.Process
	options Options
	objects oncpuObjects
	reader  *ringbuf.Reader
	rec     ringbuf.Record
	events  *events

	mem       proc.Memory
	decoder   decoder
	batch     batch
	check     selfCheck
	stats     Stats
	lost      uint64 // LOST counter at the last look
	begin     int64
	clock     time.Duration // the target's CPU clock at the start
	shared    time.Duration // CPU time that was divided among samples
	clockRead bool          // the last reading of the clock went well
	idle      time.Duration // Rusage when the events counted last
	exe       fileID
}

// Open loads the program and attaches it to all threads of the target; nothing is sampled before
// Run. The error wraps fs.ErrPermission when a right is missing and errors.ErrUnsupported when the
// kernel lacks something.
func Open(p *proc.Process, o Options) (*OnCPU, error) {
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Rate < 1 || o.Rate > MaxRate {
		return nil, fmt.Errorf("rate %d Hz: not between 1 and %d", o.Rate, MaxRate)
	}
	s := &OnCPU{target: p, options: o, mem: p.Mem(), check: selfCheck{inGo: o.InGo}}
	if err := s.load(); err != nil {
		return nil, err
	}
	var err error
	if s.events, err = openEvents(p, s.objects.Sample.FD(), o); err != nil {
		s.Close()
		return nil, err
	}
	s.stats.Threads = len(s.events.fds)
	s.exe = executable(p.PID())
	s.clock, _ = p.CPU() // what a process uses before it executes its program is not the program's
	return s, nil
}

// Probe says whether this kernel and these rights let the program load.
func Probe() error {
	s := &OnCPU{}
	if err := s.load(); err != nil {
		return err
	}
	return s.Close()
}

func (s *OnCPU) load() error {
	// Before Linux 5.11 maps count against RLIMIT_MEMLOCK; later the limit does not matter and
	// not being allowed to raise it does no harm.
	_ = rlimit.RemoveMemlock()
	spec, err := loadOncpu()
	if err != nil {
		return fmt.Errorf("load eBPF: %w", err)
	}
	if err := configure(spec, s.options.Layout); err != nil {
		return fmt.Errorf("load eBPF: %w", err)
	}
	if err := spec.LoadAndAssign(&s.objects, nil); err != nil {
		return loadError(err)
	}
	if s.reader, err = ringbuf.NewReader(s.objects.Records); err != nil {
		s.objects.Close()
		return fmt.Errorf("load eBPF: ring buffer: %w", err)
	}
	return nil
}

func configure(spec *ebpf.CollectionSpec, l *goruntime.Layout) error {
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err == nil {
		if err := errors.Join(spec.Variables["ns_dev"].Set(uint64(ns.Dev)), spec.Variables["ns_ino"].Set(ns.Ino)); err != nil {
			return err
		}
	}
	if l == nil {
		return nil
	}
	return spec.Variables["target"].Set(targetLayout(l))
}

// loadError finds the reason behind a refusal: the kernel itself says EPERM or EINVAL and no more.
func loadError(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("load eBPF: %w: needs CAP_BPF and CAP_PERFMON (sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep mayfly)", fs.ErrPermission)
	}
	if errors.Is(err, btf.ErrNotFound) {
		return fmt.Errorf("load eBPF: %w: this kernel has no BTF (CONFIG_DEBUG_INFO_BTF, /sys/kernel/btf/vmlinux)", errors.ErrUnsupported)
	}
	if features.HaveProgramHelper(ebpf.PerfEvent, asm.FnLoop) != nil {
		return fmt.Errorf("load eBPF: %w: needs Linux 5.17 or newer (bpf_loop)", errors.ErrUnsupported)
	}
	return fmt.Errorf("load eBPF: %w", err)
}

// Close releases the program and the events. The target is not touched by it.
func (s *OnCPU) Close() error {
	if s.events != nil {
		s.events.close()
	}
	var err error
	if s.reader != nil {
		err = s.reader.Close()
	}
	return errors.Join(err, s.objects.Close())
}

// Stats are complete once Run has returned.
func (s *OnCPU) Stats() Stats { return s.stats }

// Begin is when sampling started, CLOCK_MONOTONIC in ns; 0 before Run.
func (s *OnCPU) Begin() int64 { return s.begin }

// Run samples until ctx ends or the target is gone. It returns ErrExec when the target has become
// another program.
func (s *OnCPU) Run(ctx context.Context, emit func(*sample.Sample)) error {
	s.begin = monotonic()
	if !s.options.OnExec {
		s.clock, _ = s.target.CPU()
		if err := s.events.start(); err != nil {
			return err
		}
	}
	err := s.sample(ctx, emit)
	s.events.stop()
	s.readClock()
	if er := s.drain(time.Unix(1, 0)); er != nil && err == nil {
		err = er
	}
	if er := s.weigh(emit); er != nil && err == nil {
		err = er
	}
	s.emitMissed(emit)
	s.stats.NoG = int64(s.counter(oncpuCountersNO_G))
	return err
}

func (s *OnCPU) sample(ctx context.Context, emit func(*sample.Sample)) error {
	wake := context.AfterFunc(ctx, func() { s.reader.Flush() })
	defer wake()
	next := time.Now().Add(weighEvery)
	for ctx.Err() == nil {
		if err := s.drain(time.Now().Add(drainEvery)); err != nil {
			return err
		}
		s.readClock()
		select {
		case <-s.target.Exited():
			return nil
		default:
		}
		if !s.batch.full() && time.Now().Before(next) {
			continue
		}
		next = time.Now().Add(weighEvery)
		if err := s.weigh(emit); err != nil {
			return err
		}
		if s.execed() {
			return fmt.Errorf("process %d: %w", s.target.PID(), ErrExec)
		}
	}
	return nil
}

// drain takes records from the ring until the deadline, or until the batch is full.
func (s *OnCPU) drain(deadline time.Time) error {
	s.reader.SetDeadline(deadline)
	for !s.batch.full() {
		err := s.reader.ReadInto(&s.rec)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrFlushed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read samples: %w", err)
		}
		if err := s.take(s.rec.RawSample); err != nil {
			return err
		}
	}
	return nil
}

// take holds a record. What has to be read from the target's memory is read now: the sooner, the
// likelier the goroutine still is what it was.
func (s *OnCPU) take(raw []byte) error {
	h, err := readHeader(raw)
	if err != nil {
		return err
	}
	if h.Nuser > 0 {
		s.check.look(&h, u64(raw, uintptr(headerSize)))
	}
	s.events.look(h.Tid, h.Time, uint64(1e9/s.options.Rate))
	s.batch.add(raw)
	if !h.has(oncpuRecordFlagsLABELS_PARTIAL) {
		return nil
	}
	if set, ok := completeLabels(s.mem, s.options.Layout, &h); ok {
		s.batch.complete(s.batch.len()-1, set)
		s.stats.Completed++
	}
	return nil
}

// weigh divides the CPU time that the target used since the last call among the samples held, and
// emits them.
func (s *OnCPU) weigh(emit func(*sample.Sample)) error {
	counted, err := s.events.cpu()
	if err != nil {
		return err
	}
	lost := s.counter(oncpuCountersLOST)
	each, first := s.batch.share(s.used(time.Duration(counted)), int64(lost-s.lost))
	err = s.emitBatch(emit, each, first)
	s.emitLost(emit, int64(lost-s.lost), each)
	s.lost = lost
	s.batch.reset()
	return err
}

// used returns the CPU time in ns since the last call: by the process's own clock, which is what
// top and rusage show. The events' count is a second opinion that includes stolen time and leaves
// out the switches between threads; it decides when the clock can no longer be read, and when the
// events missed a part of the target (see missed).
func (s *OnCPU) used(counted time.Duration) int64 {
	delta := counted - s.stats.Counted
	if delta > 0 {
		s.idle = s.stats.Rusage
	}
	s.stats.Counted = max(counted, s.stats.Counted) // an event that was closed takes its count with it
	if s.clockRead && s.missed() == 0 {
		delta = s.stats.Rusage - s.shared
	}
	delta = max(delta, 0)
	s.shared += delta
	return int64(delta)
}

// missed is the CPU time of threads that no event watched, 0 while the two counts agree as well as
// they can.
func (s *OnCPU) missed() time.Duration {
	if s.stats.Counted*10 < s.stats.Rusage*9 {
		return s.stats.Rusage - s.stats.Counted
	}
	return 0
}

func (s *OnCPU) emitBatch(emit func(*sample.Sample), each, first int64) error {
	if v := s.check.verdict(); v != "" {
		s.stats.Distrust = v
	}
	var sm sample.Sample
	for i := range s.batch.len() {
		if err := s.decoder.decode(s.batch.record(i), &sm); err != nil {
			return err
		}
		sm.Count, sm.Weight = 1, each
		if i == 0 {
			sm.Weight = first
		}
		if set, ok := s.batch.whole[i]; ok {
			sm.Labels, sm.LabelsTruncated = set, false
		}
		if s.stats.Distrust != "" {
			sm.Goid, sm.Labels, sm.LabelsTruncated, sm.Curg = 0, nil, false, nil
		}
		if sm.LabelsTruncated {
			s.stats.Truncated++
		}
		s.stats.Samples++
		emit(&sm)
	}
	return nil
}

func (s *OnCPU) emitLost(emit func(*sample.Sample), n, each int64) {
	if n == 0 {
		return
	}
	s.stats.Lost += n
	emit(&sample.Sample{Time: monotonic(), State: sample.Running, Loss: sample.Lost, Count: n, Weight: n * each})
}

// emitMissed gives a weight to what the samples cannot stand for.
func (s *OnCPU) emitMissed(emit func(*sample.Sample)) {
	if rest := s.stats.Rusage - s.shared; s.missed() > 0 && rest > deaf {
		emit(&sample.Sample{Time: monotonic(), State: sample.Running, Loss: sample.Unsampled, Weight: int64(rest)})
	}
}

// readClock keeps the last reading: a process that is gone has no clock.
func (s *OnCPU) readClock() {
	now, err := s.target.CPU()
	if s.clockRead = err == nil; s.clockRead {
		s.stats.Rusage = now - s.clock
	}
}

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

// fileID tells one file from another.
type fileID struct{ dev, ino uint64 }

func executable(pid int) fileID {
	var st unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d/exe", pid), &st) != nil {
		return fileID{}
	}
	return fileID{uint64(st.Dev), st.Ino}
}

// execed says whether the target has executed a program. That removes its events: either the
// executable is another one, or the same one started anew, and the process uses CPU time that no
// event counts.
func (s *OnCPU) execed() bool {
	if now := executable(s.target.PID()); !s.options.OnExec && now != (fileID{}) && s.exe != (fileID{}) && now != s.exe {
		return true
	}
	return s.stats.Rusage-s.idle > deaf
}

func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}
