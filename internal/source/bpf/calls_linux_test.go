//go:build amd64

package bpf_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// TestCallsGuard has a function that is called far too often: the probes go, the code is what it
// was, and the target runs on.
func TestCallsGuard(t *testing.T) {
	x := target.Start(t, target.Compile(t, "leaf", target.Build{}))
	p, err := proc.Open(x.PID)
	check(t, err)
	defer p.Close()
	exe, err := os.Open(x.Exe)
	check(t, err)
	defer exe.Close()
	l, err := goruntime.Read(exe)
	check(t, err)
	bin, err := symbolize.OpenGo(exe)
	check(t, err)
	f, err := goruntime.FindFunction(exe, bin.Func, "main.mix")
	check(t, err)
	const most = 500
	c, err := bpf.OpenCallsWithin(p, l, bpf.Code{File: exe, Functions: []goruntime.Function{f}}, most)
	target.Need(t, err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, start := 0, time.Now()
	if err := c.Run(ctx, func(bpf.Call) { n++ }); !errors.Is(err, bpf.ErrTooMany) {
		t.Fatalf("%v after %d calls, want %v", err, n, bpf.ErrTooMany)
	}
	if seconds := time.Since(start).Seconds(); n > most/2*int(seconds+2) {
		t.Errorf("%d calls in %.1f s were recorded before the guard acted", n, seconds)
	}
	inFile, inMemory := make([]byte, 16), make([]byte, 16)
	_, err = exe.ReadAt(inFile, int64(f.Begin))
	check(t, err)
	lo, _, _ := bin.Func("main.mix")
	at := lo + f.Begin - f.Offset
	if _, err := p.Mem().ReadAt(inMemory, int64(at)); err != nil || !bytes.Equal(inFile, inMemory) {
		t.Errorf("the code is % x in memory and % x in the file (%v)", inMemory, inFile, err)
	}
	x.Stop()
}
