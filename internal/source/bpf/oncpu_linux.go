//go:build linux && (amd64 || arm64)

package bpf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	drainEvery = 50 * time.Millisecond // 8 MiB of ring hold more than a second at 10 kHz on 2 CPUs
	weighEvery = time.Second           // longer than any error of the clocks matters
)

// OnCPU samples the target's threads while they are on a CPU. It is a sample.Source.
type OnCPU struct {
	target  *proc.Process
	options Options
	objects oncpuObjects
	reader  *ringbuf.Reader
	bell    *bell
	rec     ringbuf.Record
	events  events
	execs   link.Link
	reach   reach

	followed int64 // when the events last followed the target

	complete   *completer
	decoder    decoder
	batch      batch
	stats      Stats
	reported   atomic.Pointer[Stats] // the stats as of the last weighing
	flushes    *source.Flushes
	rate       atomic.Int64
	rhythm     rhythm
	lost       uint64      // LOST counter at the last reading
	clock      *proc.Clock // the target's CPU time since the start
	started    bool
	shared     time.Duration // CPU time that was divided among samples
	execTimes  []ExecTime    // what Options.ExecTimes says,
	accounts   accounts      // and what of it no sample stands for yet
	weights    []int64       // of the batch's samples, ns
	steal      steal
	stealShare float64 // stolen time, as a share of the weights of the batch
	ended      bool    // this is the last weighing
	clockRead  bool    // the last reading of the clock went well
	more       bool    // the batch was full before the ring was empty
}

// Open loads the program and opens an event on each CPU of the target; nothing is sampled before Run. The error wraps
// fs.ErrPermission when a right is missing and errors.ErrUnsupported when the kernel lacks something.
func Open(p *proc.Process, o Options) (*OnCPU, error) {
	rate, err := source.Rate(o.Rate)
	if err != nil {
		return nil, err
	}
	o.Rate = rate
	s := &OnCPU{target: p, options: o, reach: reach{onlineCPUs, p.Affinity}, flushes: source.NewFlushes()}
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
	cpus, err := s.reach.cpus()
	if err != nil {
		return err
	}
	s.events, err = openEvents(s.objects.Sample.FD(), cpus, s.options.Rate)
	s.stats.CPUs = len(s.events)
	s.rhythm = newRhythm(len(s.events), s.period())
	return err
}

func (s *OnCPU) load() error {
	// Before Linux 5.11 maps count against RLIMIT_MEMLOCK; later the limit does not matter and
	// not being allowed to raise it does no harm.
	_ = rlimit.RemoveMemlock()
	spec, err := loadOncpu()
	if err != nil {
		return fmt.Errorf("load eBPF: %w", err)
	}
	if err := s.configure(spec); err != nil {
		return fmt.Errorf("load eBPF: %w", err)
	}
	if err := spec.LoadAndAssign(&s.objects, nil); err != nil {
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

func (s *OnCPU) configure(spec *ebpf.CollectionSpec) error {
	pid, armed := 0, uint32(1)
	if s.target != nil {
		pid = s.target.PID()
	} else {
		spec.Maps["records"].MaxEntries = uint32(os.Getpagesize()) // Probe samples nothing, and 8 MiB of ring are mapped twice
	}
	if s.options.OnExec {
		armed = 0
	}
	err := errors.Join(setTarget(spec, pid), spec.Variables["armed"].Set(armed))
	if err == nil && s.options.Layout != nil {
		err = spec.Variables["target"].Set(targetLayout(s.options.Layout))
	}
	return err
}

// initPIDNamespace is the inode of the initial PID namespace (include/linux/proc_ns.h,
// PROC_PID_INIT_INO).
const initPIDNamespace = 0xEFFFFFFC

// setTarget tells a program which process to look for.
func setTarget(spec *ebpf.CollectionSpec, pid int) error {
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		return err
	}
	if ns.Ino == initPIDNamespace {
		return errors.Join(
			spec.Variables["target_tgid"].Set(uint32(pid)),
			spec.Variables["target_pid"].Set(uint32(pid)))
	}
	return errors.Join(
		spec.Variables["target_pid"].Set(uint32(pid)),
		spec.Variables["ns_dev"].Set(uint64(ns.Dev)),
		spec.Variables["ns_ino"].Set(ns.Ino))
}

// loadError finds the reason behind a refusal: the kernel itself says EPERM or EINVAL and no more.
func loadError(err error) error {
	if outOfFiles() {
		return fmt.Errorf("load eBPF: %w (raise the limit of open files: ulimit -n)", unix.EMFILE)
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		rights, _ := proc.HostRights()
		return fmt.Errorf("load eBPF: %w: %s", fs.ErrPermission, loadRights(rights))
	}
	if errors.Is(err, btf.ErrNotFound) {
		return fmt.Errorf("load eBPF: %w: this kernel has no BTF (CONFIG_DEBUG_INFO_BTF, /sys/kernel/btf/vmlinux)", errors.ErrUnsupported)
	}
	if features.HaveProgramHelper(ebpf.PerfEvent, asm.FnLoop) != nil {
		return fmt.Errorf("load eBPF: %w: needs Linux 5.17 or newer (bpf_loop)", errors.ErrUnsupported)
	}
	return fmt.Errorf("load eBPF: %w", err)
}

// outOfFiles says whether so few file descriptors are left that loading fails for want of them. The error does not always say so:
// what the library tries out about the kernel fails for the same reason, and it reports what it concludes from that.
func outOfFiles() bool {
	const needed = 32
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for range needed {
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
		}
		fds = append(fds, fd)
	}
	return false
}

// Close releases the program and the events. The target is not touched by it.
func (s *OnCPU) Close() error {
	s.events.close()
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

// Flush returns when all samples that were taken before the call have been emitted, or when Run has
// returned. It is for another goroutine than the one in Run, one at a time.
func (s *OnCPU) Flush() {
	s.flushes.Flush(s.bell.ring)
}

// Start lets samples be taken, which wait in the ring buffer until Run. With OnExec it is to be called
// before the target is let go: what a program does at its beginning is over when its mappings have been read. Run
// starts what has not been started.
func (s *OnCPU) Start() error {
	if s.started {
		return nil
	}
	s.started = true
	if err := s.events.start(); err != nil {
		return err
	}
	if s.clock = s.target.Clock(); s.options.OnExec {
		s.clock = s.target.ClockFromExec()
	}
	if s.options.ExecTimes != nil {
		s.accounts.read(s.options.ExecTimes(nil))
		s.accounts.settle()
		s.steal.execTime = s.accounts.execTime
	}
	s.followed = proc.Monotonic()
	s.rhythm.start(s.followed)
	return nil
}

// Run samples until ctx ends or the target is gone. It returns source.ErrExec when the target has become
// another program. It may be called once.
func (s *OnCPU) Run(ctx context.Context, emit func(*sample.Sample)) error {
	defer s.flushes.End()
	s.complete = newCompleter(s.target.Mem(), s.options.Layout)
	defer s.complete.close()
	if err := s.Start(); err != nil {
		return err
	}
	err := s.sample(ctx, emit)
	s.events.stop()
	s.readClock()
	if er := s.drain(); er != nil && err == nil {
		err = er
	}
	s.ended = true
	if er := s.weigh(emit); er != nil && err == nil {
		err = er
	}
	s.stats.NoG = int64(s.counter(oncpuCountersNO_G))
	s.report()
	return err
}

// Cost is the time that the program has run since Open for samples of the target, on all CPUs. It may be called
// while Run is running.
func (s *OnCPU) Cost() time.Duration { return time.Duration(s.counter(oncpuCountersSPENT)) }

func (s *OnCPU) report() {
	st := s.stats
	s.reported.Store(&st)
}

func (s *OnCPU) sample(ctx context.Context, emit func(*sample.Sample)) error {
	wake := context.AfterFunc(ctx, s.bell.ring)
	defer wake()
	next := time.Now().Add(weighEvery)
	asked := func() bool { return s.flushes.Waiting() || s.more }
	for ctx.Err() == nil {
		s.bell.wait(ctx, drainEvery, asked)
		if err := s.drain(); err != nil {
			return err
		}
		s.shuffle()
		s.follow()
		execed := s.execed()
		s.readClock()
		select {
		case <-s.target.Exited():
			return nil
		default:
		}
		flush := s.flushes.Take()
		if flush == nil && !execed && !s.batch.full() && time.Now().Before(next) {
			continue
		}
		next = time.Now().Add(weighEvery)
		if err := s.weigh(emit); err != nil {
			return err
		}
		s.report()
		if flush != nil {
			close(flush)
		}
		if execed {
			return source.Executed(s.target.PID())
		}
	}
	return nil
}

// drain takes the records that are in the ring, until the batch is full.
func (s *OnCPU) drain() error {
	for s.more = true; !s.batch.full(); {
		err := s.reader.ReadInto(&s.rec)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.more = false
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
	if h.has(oncpuRecordFlagsDOUBTFUL) {
		s.stats.Doubtful++
	}
	s.batch.add(raw, h.Tid)
	if !h.has(oncpuRecordFlagsLABELS_PARTIAL) {
		return nil
	}
	if set, ok := s.complete.complete(&h); ok {
		s.batch.complete(s.batch.len()-1, set)
		s.stats.Completed++
	}
	return nil
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
