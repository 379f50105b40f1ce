//go:build linux && (amd64 || arm64)

package bpf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Calls records when goroutines enter functions and leave them, by uprobes: the kernel puts
// breakpoints into the target's code. It is not for every function; see MaxCallEvents.
type Calls struct {
	target  *proc.Process
	objects callsObjects
	reader  *ringbuf.Reader
	links   []link.Link
	pairs   *pairs
}

// OpenCalls puts the probes into the target's code: behind the stack check of each function and on its
// return instructions. Errors wrap fs.ErrPermission or errors.ErrUnsupported as those of Open do.
func OpenCalls(p *proc.Process, l *goruntime.Layout, code Code) (*Calls, error) {
	return openCalls(p, l, code, MaxCallEvents)
}

func openCalls(p *proc.Process, l *goruntime.Layout, code Code, most uint32) (*Calls, error) {
	_ = rlimit.RemoveMemlock() // see OnCPU.load
	spec, err := loadCalls()
	if err != nil {
		return nil, fmt.Errorf("load eBPF: calls: %w", err)
	}
	err = errors.Join(
		spec.Variables["g_goid"].Set(uint32(l.G.Goid)),
		spec.Variables["g_stack_hi"].Set(uint32(l.G.StackHi)),
		spec.Variables["most"].Set(most))
	if err != nil {
		return nil, fmt.Errorf("load eBPF: calls: %w", err)
	}
	n := 0
	for _, f := range code.Functions {
		n += 1 + len(f.Ends)
	}
	spec.Maps["places"].MaxEntries = uint32(max(n, 1))
	c := &Calls{target: p, pairs: newPairs()}
	if err := spec.LoadAndAssign(&c.objects, withTypes()); err != nil {
		return nil, loadError(err)
	}
	if c.reader, err = ringbuf.NewReader(c.objects.Records); err == nil {
		err = c.attach(code)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("attach to calls: %w", err)
	}
	return c, nil
}

func (c *Calls) attach(code Code) error {
	exe, err := link.OpenExecutable(fmt.Sprintf("/proc/self/fd/%d", code.File.Fd()))
	if err != nil {
		return err
	}
	for i, f := range code.Functions {
		place, bias := uint64(i)<<1, f.Addr-f.Offset+code.Bias
		// The ends first: a beginning that is seen has an end that will be.
		for _, end := range f.Ends {
			if err := c.probe(exe, end, bias, place|1); err != nil {
				return err
			}
		}
		if err := c.probe(exe, f.Begin, bias, place); err != nil {
			return err
		}
	}
	return nil
}

// probe puts a probe at an offset of the file. It is known to the program by its address in the target; cookies, by which probes
// could say who they are, need Linux 5.15.
func (c *Calls) probe(exe *link.Executable, offset, bias, place uint64) error {
	if err := c.objects.Places.Put(offset+bias, place); err != nil {
		return err
	}
	l, err := exe.Uprobe("", c.objects.OnCall, &link.UprobeOptions{Address: offset, PID: c.target.PID()})
	if err != nil {
		return err
	}
	c.links = append(c.links, l)
	return nil
}

// callsEvery is how often the ring is emptied, and the guard looked at: at MaxCallEvents it fills in half a second.
const callsEvery = 20 * time.Millisecond

// Run is called once. It emits calls when they end, until ctx ends or the target is gone. Calls that began before Run,
// end after it or were left by a panic are not among them. With ErrTooMany, or when records got
// lost, what was emitted before is a part of the calls only.
func (c *Calls) Run(ctx context.Context, emit func(Call)) error {
	for {
		if err := c.drain(emit); err != nil {
			return err
		}
		var tripped uint32
		var lost uint64
		if err := errors.Join(c.objects.Tripped.Get(&tripped), c.objects.Lost.Get(&lost)); err != nil {
			return fmt.Errorf("read calls: %w", err)
		}
		if tripped != 0 {
			return errors.Join(ErrTooMany, c.detach())
		}
		if lost > 0 {
			return errors.Join(fmt.Errorf("read calls: %d records were lost", lost), c.detach())
		}
		select {
		case <-ctx.Done():
			return c.drain(emit) // Close detaches: that takes the kernel a while, and the recording is over
		case <-c.target.Exited():
			return c.drain(emit)
		case <-time.After(callsEvery):
		}
	}
}

// drain emits the calls that have ended.
func (c *Calls) drain(emit func(Call)) error {
	return drain(c.reader, "read calls", func(raw []byte) error {
		e, err := decodeCall(raw)
		if err != nil {
			return err
		}
		if call, ok := c.pairs.add(e); ok {
			emit(call)
		}
		if c.pairs.lost {
			return errors.Join(errOpenCalls, c.detach())
		}
		return nil
	})
}

// detach takes the probes away: the target's code is what it was.
func (c *Calls) detach() error {
	var err error
	for _, l := range c.links {
		err = errors.Join(err, l.Close())
	}
	c.links = nil
	return err
}

// Close takes the probes away and unloads the program.
func (c *Calls) Close() error {
	err := c.detach()
	if c.reader != nil {
		err = errors.Join(err, c.reader.Close())
	}
	return errors.Join(err, c.objects.Close())
}
