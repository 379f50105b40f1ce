//go:build linux && (amd64 || arm64)

package bpf

import (
	"context"
	"errors"
	"fmt"
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
	traps   []link.Link // until it is known what a trap takes

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
	if err := spec.LoadAndAssign(&e.objects, withTypes()); err != nil {
		return nil, loadError(err)
	}
	if e.reader, err = ringbuf.NewReader(e.objects.Records); err == nil {
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
	s, x := &o.Switches, &e.objects
	e.links, err = e.probe(exe, e.links, []probe{{s.Mcall, x.OnMcall}, {s.SetLabels, x.OnLabels}, {s.Gogo, x.OnGogo}})
	if err == nil && s.Again != 0 {
		e.traps, err = e.probe(exe, nil, []probe{{s.Schedule, x.OnSchedule}, {s.Again, x.OnAgain}})
	}
	return err
}

type probe struct {
	at      uint64 // in the file; 0: nowhere
	program *ebpf.Program
}

func (e *Exact) probe(exe *link.Executable, links []link.Link, all []probe) ([]link.Link, error) {
	for _, p := range all {
		if p.at == 0 {
			continue
		}
		l, err := exe.Uprobe("", p.program, &link.UprobeOptions{Address: p.at, PID: e.target.PID()})
		if err != nil {
			return links, err
		}
		links = append(links, l)
	}
	return links, nil
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
	if e.err == nil {
		e.err = e.measure()
	}
	if e.err == nil && collect {
		e.err = e.collect()
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

// Take returns what was counted since the last call and how that went, or why nothing is. A part would be no count: after an error there
// is none any more.
func (e *Exact) Take() ([]CPUTime, ExactStats, error) {
	_ = e.turn(true)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return nil, ExactStats{}, e.err
	}
	before := e.stats
	e.stats.Hits = int64(e.counter(exactExactCountersHITS))
	e.stats.Checks, e.stats.Wrong = int64(e.counter(exactExactCountersCHECKS)), int64(e.counter(exactExactCountersWRONG))
	e.stats.Unplaced = time.Duration(e.counter(exactExactCountersUNPLACED))
	e.stats.Added = time.Duration(e.counter(exactExactCountersADDED))
	e.stats.Moved = float64(e.counter(exactExactCountersSQUARES)) * movedUnit * movedUnit
	e.stats.Partial = e.sums.partial
	st := e.stats.since(before)
	return e.sums.take(&st), st, nil
}

// drain takes in the label sets that were met for the first time.
func (e *Exact) drain() error { return drain(e.reader, "read label sets", e.sums.learn) }

// collectBatch is how many totals are read with one system call.
const collectBatch = 4096

// collect reads all totals, which go on meanwhile, and then the label sets that they are of: each of those was sent before anything
// was counted for it.
func (e *Exact) collect() error {
	var cursor ebpf.MapBatchCursor
	var keys []exactWho
	var values []exactTotal
	for {
		n := len(keys)
		keys, values = append(keys, make([]exactWho, collectBatch)...), append(values, make([]exactTotal, collectBatch)...)
		got, err := e.objects.Totals.BatchLookup(&cursor, keys[n:], values[n:], nil)
		keys, values = keys[:n+got], values[:n+got]
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			break
		}
		if err != nil {
			return fmt.Errorf("read CPU times: %w", err)
		}
	}
	if err := e.drain(); err != nil {
		return err
	}
	e.sums.begin()
	for i := range keys {
		e.sums.add(keys[i], values[i])
	}
	for _, k := range e.sums.end() {
		if err := e.objects.Totals.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("read CPU times: %w", err)
		}
	}
	return nil
}

// measure finds out what a trap takes.
func (e *Exact) measure() error {
	if e.traps == nil {
		return nil
	}
	var cursor ebpf.MapBatchCursor
	var keys [trapSteps]uint32
	var steps [trapSteps]uint64
	if _, err := e.objects.Traps.BatchLookup(&cursor, keys[:], steps[:], nil); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("read CPU times: %w", err)
	}
	all := uint64(0)
	for _, n := range steps {
		all += n
	}
	e.stats.Trap = meanTrap(&steps, all)
	if all < trapEnough {
		return nil
	}
	return closeAll(&e.traps)
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
func (e *Exact) detach() error { return errors.Join(closeAll(&e.traps), closeAll(&e.links)) }

func closeAll(links *[]link.Link) (err error) {
	for _, l := range *links {
		err = errors.Join(err, l.Close())
	}
	*links = nil
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
