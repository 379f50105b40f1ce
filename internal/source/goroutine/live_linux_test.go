package goroutine_test

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// live is a running program with its table opened and its functions known.
type live struct {
	*target.Target
	*goroutine.Table
	bin  *symbolize.Binary
	bias uint64
	vars *goruntime.Vars
}

func open(t testing.TB, x *target.Target, o goroutine.Options) *live {
	t.Helper()
	f, err := os.Open(x.Exe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	l, err := goruntime.ReadCode(f, symbolize.FindFunc(f))
	if err != nil {
		t.Fatal(err)
	}
	r := &live{Target: x}
	if r.bin, err = symbolize.OpenGo(f); err != nil {
		t.Fatal(err)
	}
	v, err := goruntime.FindVars(f, l, r.bin.Func)
	if err != nil {
		t.Fatal(err)
	}
	p, err := proc.Open(x.PID)
	target.Need(t, err)
	t.Cleanup(func() { p.Close() })
	r.bias = bias(t, p, f)
	r.vars = v.Add(r.bias)
	own, err := symbolize.OpenGo(f) // for the sampling thread
	if err != nil {
		t.Fatal(err)
	}
	o.SPDelta = func(pc uint64) (int32, bool) { return own.SPDelta(pc - r.bias) }
	r.Table, err = goroutine.Open(p, l, r.vars, o)
	target.Need(t, err)
	return r
}

// bias is how far the executable was moved.
func bias(t testing.TB, p *proc.Process, f *os.File) uint64 {
	t.Helper()
	e, err := elf.NewFile(f)
	if err != nil || e.Type != elf.ET_DYN {
		return 0
	}
	maps, err := p.Maps()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range maps {
		if i := slices.IndexFunc(e.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_LOAD }); m.Path == f.Name() && m.Offset == 0 {
			return m.Start - e.Progs[i].Vaddr
		}
	}
	t.Fatal("no mapping of the executable")
	return 0
}

// names spells a stack of return addresses, leaf first, without inlined functions.
func (x *live) names(stack []uint64) string {
	var names []string
	for i, pc := range stack {
		at := pc - 1
		if i > 0 && x.vars.AsyncPreempt.Contains(stack[i-1]) {
			at = pc // not a call
		}
		frames := x.bin.Lookup(nil, at-x.bias)
		if len(frames) == 0 {
			names = append(names, fmt.Sprintf("%#x", pc))
			continue
		}
		names = append(names, frames[len(frames)-1].Func)
	}
	return strings.Join(names, " ")
}

// record samples for a while.
func (x *live) record(t testing.TB, d time.Duration, visit func(*sample.Sample)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := x.Run(ctx, visit); err != nil {
		t.Fatal(err)
	}
}

// all is record for few samples.
func (x *live) all(t testing.TB, d time.Duration) (all []sample.Sample) {
	t.Helper()
	x.record(t, d, func(s *sample.Sample) { all = append(all, *s) })
	return all
}
