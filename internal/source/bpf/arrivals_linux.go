//go:build linux && (amd64 || arm64)

package bpf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Arrivals records when what goroutines read from TCP sockets had come in, by the kernel's tracepoints; see arrivals.bpf.c.
type Arrivals struct {
	target  *proc.Process
	objects arrivalsObjects
	reader  *ringbuf.Reader
	links   []link.Link
}

// OpenArrivals attaches to the tracepoints. From then on it costs 0.3 us more when something comes in for anybody's TCP socket, and 0.5 us
// when the target reads from one (on a virtual machine, by the kernel's account of 180,000 runs each beside etcd). Errors wrap
// fs.ErrPermission or errors.ErrUnsupported as those of Open do; Linux 6.3 is the first that has both tracepoints.
func OpenArrivals(p *proc.Process, l *goruntime.Layout) (*Arrivals, error) {
	_ = rlimit.RemoveMemlock() // see OnCPU.load
	spec, err := loadArrivals()
	if err == nil {
		err = setTarget(spec, p.PID())
	}
	if err == nil {
		err = setArrivals(spec, l)
	}
	if err != nil {
		return nil, fmt.Errorf("load eBPF: arrivals: %w", err)
	}
	a := &Arrivals{target: p}
	types := withTypes()
	if err := spec.LoadAndAssign(&a.objects, types); err != nil {
		if errors.Is(err, ebpf.ErrNotSupported) || lacksTracepoint(types.Cache, "sk_data_ready") {
			return nil, fmt.Errorf("load eBPF: arrivals: %w: this kernel does not say when sockets have something to read (Linux 6.3)",
				errors.ErrUnsupported)
		}
		return nil, loadError(err)
	}
	if a.reader, err = ringbuf.NewReader(a.objects.Records); err == nil {
		err = a.attach()
	}
	if err != nil {
		a.Close()
		return nil, fmt.Errorf("attach to arrivals: %w", err)
	}
	return a, nil
}

// lacksTracepoint says whether the kernel has no such tracepoint. Why a program was refused is not always the first reason: before
// Linux 5.11 the other one lacks a function.
func lacksTracepoint(kernel *btf.Cache, name string) bool {
	types, err := kernel.Kernel()
	if err != nil {
		return false
	}
	_, err = types.AnyTypeByName("btf_trace_" + name)
	return errors.Is(err, btf.ErrNotFound)
}

func setArrivals(spec *ebpf.CollectionSpec, l *goruntime.Layout) error {
	return errors.Join(
		spec.Variables["target"].Set(arrivalsLayout(targetLayout(l))),
		spec.Variables["least"].Set(uint64(leastUnread)))
}

func (a *Arrivals) attach() error {
	for _, p := range []*ebpf.Program{a.objects.OnRead, a.objects.OnReady} {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return err
		}
		a.links = append(a.links, l)
	}
	return nil
}

// arrivalsEvery is how often the ring is emptied, which has room for 32,768 of them.
const arrivalsEvery = 50 * time.Millisecond

// Run is called once. It emits what goroutines read until ctx ends or the target is gone. What a socket's first read had waited for is
// not among it. lost is how many could not be recorded.
func (a *Arrivals) Run(ctx context.Context, emit func(Arrival)) (lost uint64, err error) {
	for end := false; err == nil && !end; {
		select {
		case <-ctx.Done():
			end = true
		case <-a.target.Exited():
			end = true
		case <-time.After(arrivalsEvery):
		}
		err = drain(a.reader, "read arrivals", func(raw []byte) error {
			in, err := decodeArrival(raw)
			if err == nil {
				emit(in)
			}
			return err
		})
	}
	return lost, errors.Join(err, a.objects.Lost.Get(&lost))
}

// Close takes the programs away and unloads them.
func (a *Arrivals) Close() error {
	var err error
	for _, l := range a.links {
		err = errors.Join(err, l.Close())
	}
	a.links = nil
	if a.reader != nil {
		err = errors.Join(err, a.reader.Close())
	}
	return errors.Join(err, a.objects.Close())
}
