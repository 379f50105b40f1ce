//go:build linux && (amd64 || arm64)

package bpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Exact counts the CPU time of label sets, by probes in the target's code and the scheduler's tracepoints.
type Exact struct {
	target  *proc.Process
	objects exactObjects
	reader  *ringbuf.Reader
	links   []link.Link
	again   link.Link // until it is known what a trap takes

	mu    sync.Mutex // of what follows
	sums  *exactSums
	err   error // why nothing is counted any more
	stats ExactStats
}

// OpenExact puts the probes into the target's code. Nothing is counted before. Errors wrap fs.ErrPermission or
// errors.ErrUnsupported as those of Open do.
func OpenExact(p *proc.Process, o ExactOptions) (*Exact, error) {
	return openExact(p, o, 2*MaxSwitches)
}

func openExact(p *proc.Process, o ExactOptions, most uint32) (*Exact, error) {
	_ = rlimit.RemoveMemlock() // see OnCPU.load
	spec, err := loadExact()
	if err == nil {
		err = configureExact(spec, p, o, most)
	}
	if err != nil {
		return nil, fmt.Errorf("load eBPF: exact: %w", err)
	}
	e := &Exact{target: p, sums: newExactSums()}
	if err := spec.LoadAndAssign(&e.objects, nil); err != nil {
		return nil, loadError(err)
	}
	if e.reader, err = ringbuf.NewReader(e.objects.Records); err == nil {
		e.reader.SetDeadline(time.Unix(1, 0)) // what is there, and no waiting
		err = e.attach(o)
	}
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("attach to switches of goroutines: %w", err)
	}
	return e, nil
}

func configureExact(spec *ebpf.CollectionSpec, p *proc.Process, o ExactOptions, most uint32) error {
	return errors.Join(
		setTarget(spec, p.PID()),
		spec.Variables["target"].Set(exactLayout(targetLayout(o.Layout))),
		spec.Variables["sweepgen"].Set(o.SweepGen),
		spec.Variables["most"].Set(most))
}

// attach puts the probes in. A goroutine that is gone on with is to be seen to end, so the end comes first.
func (e *Exact) attach(o ExactOptions) error {
	for _, p := range []*ebpf.Program{e.objects.OnRuntime, e.objects.OnSwitch} {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return err
		}
		e.links = append(e.links, l)
	}
	exe, err := link.OpenExecutable(fmt.Sprintf("/proc/self/fd/%d", o.File.Fd()))
	if err != nil {
		return err
	}
	for _, p := range []struct {
		at      uint64
		program *ebpf.Program
	}{{o.Switches.Schedule, e.objects.OnSchedule}, {o.Switches.SetLabels, e.objects.OnLabels}, {o.Switches.Gogo, e.objects.OnGogo}} {
		if p.at == 0 {
			continue
		}
		l, err := exe.Uprobe("", p.program, &link.UprobeOptions{Address: p.at, PID: e.target.PID()})
		if err != nil {
			return err
		}
		e.links = append(e.links, l)
	}
	if o.Switches.Again != 0 {
		e.again, err = exe.Uprobe("", e.objects.OnAgain, &link.UprobeOptions{Address: o.Switches.Again, PID: e.target.PID()})
	}
	return err
}

const (
	exactEvery   = 50 * time.Millisecond // the guard is looked at, and label sets are taken in
	collectEvery = time.Second
)

// Run takes in what the programs say, until ctx ends, the target is gone, or the probes had to be taken away. Nothing is counted
// after that.
func (e *Exact) Run(ctx context.Context) {
	defer e.objects.Over.Set(uint32(1))
	ticks := time.NewTicker(exactEvery)
	defer ticks.Stop()
	next := time.Now().Add(collectEvery)
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.target.Exited():
			return
		case <-ticks.C:
		}
		collect := !time.Now().Before(next)
		if collect {
			next = time.Now().Add(collectEvery)
		}
		if e.turn(collect) != nil {
			return
		}
	}
}

func (e *Exact) turn(collect bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	e.err = e.drain()
	if e.err == nil && collect {
		e.err = errors.Join(e.collect(), e.measure())
	}
	var tripped uint32
	if e.err == nil {
		e.err = e.objects.Tripped.Get(&tripped)
	}
	if tripped != 0 {
		e.err = errors.Join(ErrSwitches, e.detach())
	}
	return e.err
}

// Take returns what was counted since the last call, or why nothing is. A part would be no count: after an error there
// is none any more.
func (e *Exact) Take() ([]CPUTime, ExactStats, error) {
	_ = e.turn(true)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return nil, e.stats, e.err
	}
	e.stats.Hits = int64(e.counter(exactExactCountersHITS))
	e.stats.Checks, e.stats.Wrong = int64(e.counter(exactExactCountersCHECKS)), int64(e.counter(exactExactCountersWRONG))
	e.stats.Unplaced = time.Duration(e.counter(exactExactCountersUNPLACED))
	e.stats.Partial = e.sums.partial
	return e.sums.take(e.stats.Trap), e.stats, nil
}

// drain takes in the label sets that were met for the first time.
func (e *Exact) drain() error {
	var rec ringbuf.Record
	for {
		err := e.reader.ReadInto(&rec)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err == nil {
			err = e.sums.learn(rec.RawSample)
		}
		if err != nil {
			return fmt.Errorf("read label sets: %w", err)
		}
	}
}

// collectBatch is how many totals are read with one system call.
const collectBatch = 4096

// collect reads all totals. They go on meanwhile.
func (e *Exact) collect() error {
	var cursor ebpf.MapBatchCursor
	keys, values := make([]exactWho, collectBatch), make([]exactTotal, collectBatch)
	e.sums.begin()
	for {
		n, err := e.objects.Totals.BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			e.sums.add(keys[i], values[i])
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			break
		}
		if err != nil {
			return fmt.Errorf("read CPU times: %w", err)
		}
	}
	for _, k := range e.sums.end() {
		if err := e.objects.Totals.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("read CPU times: %w", err)
		}
	}
	return nil
}

// Of struct traps in exact.bpf.c; and how many traps are enough to know what one takes.
const (
	trapStep   = 32 * time.Nanosecond
	trapSteps  = 256
	trapEnough = 500
)

// measure finds out what a trap takes: the median of the first ones.
func (e *Exact) measure() error {
	if e.again == nil {
		return nil
	}
	var steps [trapSteps]uint64
	all := uint64(0)
	for i := range steps {
		if err := e.objects.Traps.Lookup(uint32(i), &steps[i]); err != nil {
			return fmt.Errorf("read CPU times: %w", err)
		}
		all += steps[i]
	}
	if all > 0 {
		n, i := uint64(0), 0
		for ; 2*(n+steps[i]) < all; i++ {
			n += steps[i]
		}
		within := (float64(all)/2 - float64(n)) / float64(steps[i])
		e.stats.Trap = time.Duration((float64(i) + within) * float64(trapStep))
	}
	if all < trapEnough {
		return nil
	}
	again := e.again
	e.again = nil
	return again.Close()
}

func (e *Exact) counter(k exactExactCounters) (n uint64) {
	var perCPU []uint64
	if e.objects.Counts.Lookup(uint32(k), &perCPU) != nil {
		return 0
	}
	for _, v := range perCPU {
		n += v
	}
	return n
}

// detach takes the probes away: the target's code is what it was.
func (e *Exact) detach() error {
	var err error
	if e.again != nil {
		err = e.again.Close()
		e.again = nil
	}
	for _, l := range e.links {
		err = errors.Join(err, l.Close())
	}
	e.links = nil
	return err
}

// Close takes the probes away and unloads the programs.
func (e *Exact) Close() error {
	err := e.detach()
	if e.reader != nil {
		err = errors.Join(err, e.reader.Close())
	}
	return errors.Join(err, e.objects.Close())
}
